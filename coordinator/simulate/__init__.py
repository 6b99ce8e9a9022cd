"""Runs that nobody pays for: how long a run of any size would take under an account's limits."""
