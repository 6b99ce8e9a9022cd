"""Pairs out of the store: guarded, split, written for a trainer."""

FORMATS = ("parquet", "jsonl", "huggingface")
"""The forms in which pairs are written."""
