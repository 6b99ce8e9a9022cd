"""``python -m coordinator``."""

import sys

if __name__ == "__main__":
    try:
        from coordinator.cli import main
    except KeyboardInterrupt:  # before there is a command that could say more
        sys.exit(130)
    main()
