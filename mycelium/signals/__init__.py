"""From attention to signals, and from signals to counts."""
