"""The fleet: GPU machines that read one job together, seen from the laptop.

- `prices`: what machines cost, by region and date.
- `plan`: how the problems are dealt out, how long that takes, and what it costs; nothing is started.
- `places`: the queues and the Auto Scaling group of a deployment.
- `queue`: fills the queue of shards, and looks into it.
- `group`: how many machines there are, of which type.
- `launch`: starts a job.
- `status`: how it stands.
- `cli`: the commands.
"""
