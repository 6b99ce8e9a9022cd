"""The first code of a child: ties its life to its parent's, then hands over to AWS's runtime client.

Run by path, by whichever interpreter the function's runtime names: so it may import nothing of this package,
and nothing beyond the standard library before the runtime client. The module of the same job on AWS is called
bootstrap, too.
"""

import os
import select
import sys
import threading


def die_with_stdin() -> None:
    """Ends this process, and its whole process group, as soon as the writing end of its stdin is closed.

    The parent holds that end and never writes. When the parent goes, however it goes, the kernel closes it
    and sends SIGIO to the group, whose default action is to end the process. No thread is needed, so a
    handler that never lets go of the interpreter lock ends as well. PR_SET_PDEATHSIG would not do: it fires
    when the parent's *thread* ends.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    else:
        threading.Thread(target=_wait_for_end_of_stdin, daemon=True).start()
    # The parent may have gone before the lines above: then no signal will come.
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        os._exit(1)


def _wait_for_end_of_stdin() -> None:
    os.read(0, 1)
    os._exit(1)


def main() -> None:
    """Runs the handler named by the only argument, under AWS's runtime client."""
    die_with_stdin()
    # This folder would come before the function's code, and its names would hide the function's.
    sys.path.pop(0)
    from awslambdaric.__main__ import main as run_runtime_client

    run_runtime_client(["bootstrap", sys.argv[1]])


if __name__ == "__main__":
    main()
