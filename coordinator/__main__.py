"""``python -m coordinator``."""

from coordinator.cli import main

if __name__ == "__main__":  # worker processes import this module and must not run it
    main()
