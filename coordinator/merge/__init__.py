"""Merge what the workers of one run wrote into one dataset: see that it is whole and of one kind, and say so.

Nothing is copied: the chunks are where they belong, and what is written is the run's manifest. It is written only if

- there is a chunk for every chunk of the problems, in every dataset, and none besides: no gap, nothing foreign;
- each chunk of `tokens` holds exactly the problems of its chunk of `problems`, in their order, and those are the places
  of the index space that the problems' manifest says: so no problem is missing and none is there twice;
- every chunk says of itself that it is of the same teacher, origin, stage version and parameters, and of the very
  input that the problems' manifest names.

Three columns of one chunk are in memory at a time, and of the rest a few numbers for each chunk.

`claims` finds out which run it is, `chunk` checks one chunk, `whole` the index space.
"""
