"""One HTML page about a run, which opens from a file and without a network."""
