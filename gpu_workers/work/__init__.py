"""The worker of a fleet: `python -m gpu_workers work` leases shards from a queue until there are none.

- `lease`: the queue as a worker sees it.
- `notice`: when to stop: signals, and EC2's notice to a spot machine.
- `model_cache`: the teacher's files.
- `shard_reader`: one job on one machine; reads what is missing of a shard.
- `worker`: the loop around them.

docs/fleet.md is for those who run it; ADR 0062 has the decisions.
"""
