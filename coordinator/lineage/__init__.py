"""Which run was made of which: the walk back through manifests, and what a stage is to read."""
