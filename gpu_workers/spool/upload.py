"""What `python -m gpu_workers upload` does: put spool, door and uploader together, and end as it was told."""

import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from gpu_workers.spool.daemon import Options, Tell, Uploader
from gpu_workers.spool.door import Door, split_target
from gpu_workers.spool.line import Line, find_endpoint
from gpu_workers.spool.spool import OWN_BYTES, Spool
from mycelium.errors import StoreError, UserInputError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(text: str) -> int:
    """Return the bytes that a size says: ``500MB``, ``1.5 GB``, ``256MiB``, ``1000000``.

    Raises:
        UserInputError: it is no size, or too small for any chunk.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", text.strip())
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise UserInputError(f"a size is a number and B, KB, MB, GB, KiB, MiB or GiB, 500MB, say; got {text!r}")
    size = int(float(found[1]) * unit)
    if size <= OWN_BYTES:
        raise UserInputError(f"a spool holds more than {OWN_BYTES:,} bytes; got {size:,}")
    return size


def run_upload(spool: Spool, options: Options, tell: Tell) -> dict[str, str]:
    """Empty a spool into S3, for as long as nobody says to stop.

    SIGTERM lets it upload what is there, and end.

    Returns:
        The chunks that were given up, with the reason of each; only where it drains.

    Raises:
        UserInputError: the target is none, or the spool has an uploader, or empties elsewhere.
        StoreNotAvailableError: there are no credentials.
        UploadRefusedError: S3 refuses for good.
    """
    bucket, _ = split_target(options.target)
    with spool.tend():
        spool.claim(options.target)
        try:
            with (
                ThreadPoolExecutor(options.concurrency, thread_name_prefix="part") as parts,
                closing(Line(find_endpoint(bucket), options.timeout_s)) as line,
            ):
                door = Door(line, options.target, parts)
                uploader = Uploader(spool, door, options, tell)
                door.probe()
                with _draining_on_sigterm(uploader):
                    return uploader.run()
        except StoreError as error:
            spool.report(str(error))
            raise


@contextmanager
def _draining_on_sigterm(uploader: Uploader) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: uploader.drain())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
