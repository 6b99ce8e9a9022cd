"""What goes between a fleet's workers and its coordinator.

    records     the queue's messages, and the objects below ``fleet/`` and ``outcomes/``
    shards      the index space of problems, cut into ranges of near equal work
    chunks      which chunks a range of problems is, and which of them are written

    fleet/<job>/job.json              what is to be done; written before the first message is sent
    fleet/<job>/run.json              which run that became, by the first worker; every other must come to the same
    fleet/<job>/workers/<worker>.json how a worker stands, written anew now and then
    fleet/<job>/shards/<number>.json  how far a shard was read, and by whom: a dead shard's last words
    outcomes/<run>/<chunk>.json       what became of a chunk, by whoever wrote it: the merge reads these

A message names a job and a range. Everything else about the job is in the store, so that no machine can be told one
thing and its neighbour another.
"""
