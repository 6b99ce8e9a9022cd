"""Runs LocalStack for as long as the launcher lives: `python -m localstack_process_executor.serve`."""

from localstack_process_executor.bootstrap import die_with_stdin


def main() -> None:
    """Ties LocalStack's life to its stdin, then starts it."""
    die_with_stdin()
    from localstack.runtime.main import main as run_localstack

    run_localstack()


if __name__ == "__main__":
    main()
