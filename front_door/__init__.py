"""What `pip install` puts on the path: the command `mycelium`, with the commands of every place of execution.

    mycelium ingest …        what `python -m coordinator ingest …` does
    mycelium gpu extract …   what `python -m gpu_workers extract …` does

It stands above the places of execution, which never import each other; so here, and nowhere else, both are known.
"""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; without its packages, say how to install them."""
    try:
        from front_door.cli import run  # noqa: PLC0415 - an installation without extras has none of what it needs
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(
            "error: this is Mycelium as a library; its commands need pip install 'mycelium[coordinator]', "
            "on a GPU machine pip install 'mycelium[gpu]'\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:  # before there is a command that could say more
        sys.exit(130)
    run()
