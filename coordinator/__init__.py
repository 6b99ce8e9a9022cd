"""What runs on a laptop: the command line, runs, executors and reports."""
