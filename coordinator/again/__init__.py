"""What was run, run again."""
