"""The command line: `python -m localstack_process_executor install | up`."""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

from localstack_process_executor.installation import LOCALSTACK_PYTHON
from localstack_process_executor.launcher import LauncherError, LocalStack, install


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit status: the command's own under `up`, 2 when LocalStack can't be installed or started.
    """
    options = _parser().parse_args(arguments)
    pythons = options.function_python or [LOCALSTACK_PYTHON]
    try:
        if options.action == "install":
            made = install(options.root, python=options.python, function_pythons=pythons)
            sys.stdout.write(f"{made.python}\n")
            return 0
        settings = dict(pair.split("=", 1) for pair in options.set)
        with LocalStack(
            options.root,
            python=options.python,
            function_pythons=pythons,
            settings=settings,
            port=options.port,
        ) as localstack:
            return _stay_up(localstack, options.command)
    except LauncherError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _stay_up(localstack: LocalStack, command: Sequence[str]) -> int:
    if command:
        environment = {**os.environ, **localstack.environment()}
        return subprocess.run(list(command), env=environment, check=False).returncode  # noqa: S603 - the user's own
    for name, value in localstack.environment().items():
        sys.stdout.write(f"export {name}={value}\n")
    sys.stdout.write(f"# log: {localstack.log_file}\n# Ctrl-C ends it.\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    return 0


def _setting(text: str) -> str:
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localstack-process-executor", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, help_text in (("install", "make the environments"), ("up", "make them and run LocalStack")):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("--root", required=True, help="folder for environments, state and logs")
        action.add_argument("--python", default=LOCALSTACK_PYTHON, help="Python 3.13 for LocalStack: version or path")
        action.add_argument("--function-python", action="append", help="Python of the functions; repeat for several")
        if name == "up":
            action.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
            action.add_argument("--set", action="append", default=[], type=_setting, metavar="NAME=VALUE")
            action.add_argument("command", nargs="*", help="run this with AWS_ENDPOINT_URL set, then stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
