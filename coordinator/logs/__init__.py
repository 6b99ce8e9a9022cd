"""What the functions logged of a run."""
