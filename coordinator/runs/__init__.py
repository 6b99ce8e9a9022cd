"""Runs: which there are, how one stands, and coming back to one."""
