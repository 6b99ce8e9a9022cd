"""Coverage-guided fuzzing of the labels with atheris: ``python -m benchmarks.labels_fuzz [seconds]``.

Needs ``pip install atheris``. It fails with the text that did it: an exception, or far more time than the hostile tests
allow. Prints how many texts were tried.
"""

import sys
import time

from tests.mycelium.labels.hostile import MAX_SECONDS

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed here: pip install atheris")

with atheris.instrument_imports(include=["mycelium.labels"]):
    from tests.mycelium.labels.test_hostile import answer

SLACK = 10
"""Instrumented code is slower, and `answer` reads each text several times."""


def try_one(data: bytes) -> None:
    """Answer one text."""
    text = data.decode("utf-8", "surrogateescape")
    start = time.process_time()
    answer(text)
    assert time.process_time() - start < SLACK * MAX_SECONDS, f"slow: {text!r}"


def main() -> None:
    """Fuzz for some seconds, a minute unless told."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", "-rss_limit_mb=2048"], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
