"""``python -m gpu_workers``."""

from gpu_workers.cli import main

if __name__ == "__main__":
    main()
