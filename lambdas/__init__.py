"""What runs on Lambda: one file per stage, pure functions from tables to tables."""
