"""Keeping a store in order: what may go, what is damaged, what is to be taken elsewhere."""
