"""``python -m front_door``."""

from front_door import main

if __name__ == "__main__":  # worker processes import this module and must not run it
    main()
