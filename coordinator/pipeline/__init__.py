"""Pipelines: every stage between what the store has and the dataset that is wanted, run in order."""
