"""Measure what the documentation claims, one command after the other: what `make bench` does.

    python -m benchmarks                      # every claim that this machine can measure; hours
    python -m benchmarks heartbeat dispatch   # some
    python -m benchmarks --short              # forms of seconds that show that all works, and measure nothing

One that fails doesn't stop the others; which failed is said at the end, and by exit code 1. What a claim needs besides
this machine (a GPU, say) has to be there, so such a claim is measured only when it is named. Afterwards the pages are
written anew.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.claims import CLAIMS, Claim
from benchmarks.record import ASIDE, ROOT, add_out
from benchmarks.tables import read_results, write_pages


def choose(names: Sequence[str], *, short: bool) -> dict[str, Claim]:
    """Return what is to be measured, and say what is left out.

    Raises:
        SystemExit: A name is of no claim.
    """
    unknown = [name for name in names if name not in CLAIMS]
    if unknown:
        sys.exit(f"there is no claim named {', '.join(unknown)}; there are {', '.join(CLAIMS)}")
    chosen = {name: claim for name, claim in CLAIMS.items() if not names or name in names}
    if short:
        return {name: claim for name, claim in chosen.items() if claim.short is not None}
    left = {name: claim for name, claim in chosen.items() if claim.wants and name not in names}
    for name, claim in left.items():
        print(f"{name} is left out: it wants {claim.wants}; name it to measure it")
    return {name: claim for name, claim in chosen.items() if name not in left}


def measure(claims: dict[str, Claim], out: Path | None, *, short: bool) -> list[str]:
    """Run one command after the other; return the names of those that failed."""
    failed = []
    for number, (name, claim) in enumerate(claims.items(), 1):
        words = (claim.short or ()) if short else claim.words
        command = ["-m", claim.module, *words, *(("--out", str(out)) if out else ())]
        print(f"\n[{number}/{len(claims)}] {name}: python {' '.join(command)}", flush=True)
        begun = time.monotonic()
        code = subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode
        took_s = time.monotonic() - begun
        print(f"[{number}/{len(claims)}] {name}: {f'failed with {code}' if code else 'done'} after {took_s:.0f} s")
        failed += [name] if code else []
    return failed


def main(words: Iterable[str] | None = None) -> int:
    """Measure, write the pages, and say what failed; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="what to measure; all, if none is named")
    parser.add_argument("--short", action="store_true", help="forms of seconds that show that all works")
    add_out(parser)
    given = parser.parse_args(None if words is None else list(words))
    out = given.out or (ASIDE if given.short else None)
    claims = choose(given.claims, short=given.short)
    failed = measure(claims, out.resolve() if out else None, short=given.short)
    if out is None:
        written = write_pages(ROOT, read_results())
        print(f"\npages written: {', '.join(written) or 'none, all say what was found'}")
    print(
        f"\n{len(claims) - len(failed)} of {len(claims)} measured"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
