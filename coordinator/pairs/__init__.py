"""Pairs out of the store: guarded, split, written for a trainer."""
