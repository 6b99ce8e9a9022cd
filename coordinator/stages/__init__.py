"""Stages: which there are, and running one."""
