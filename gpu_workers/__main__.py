"""``python -m gpu_workers``."""

import sys

if __name__ == "__main__":
    try:
        from gpu_workers.cli import main
    except KeyboardInterrupt:  # before there is a command that could say more
        sys.exit(130)
    main()
