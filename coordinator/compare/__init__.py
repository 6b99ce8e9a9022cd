"""The templates of two runs, side by side."""
