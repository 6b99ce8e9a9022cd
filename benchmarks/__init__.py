"""Each figure the documentation quotes, side by side with its peer, one command each."""
