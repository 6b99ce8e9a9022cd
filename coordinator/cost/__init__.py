"""What a run costs: before it starts, while it runs, and afterwards.

- `prices`: the one table of prices, with its region, its date and its sources; `refresh` asks AWS for a newer one.
- `usage`: what is billed, by kind, and what that comes to.
- `actual`: what a run used, from its manifest.
- `evidence`: how long a stage's tasks took before, in this store or in a probe.
- `estimate`: what a run will take, from that evidence, for each executor.
- `limit`: how many tasks may be started yet under a limit.
"""
