"""The checks: each takes what was seen, or a door to look through, and says what it found and what to do.

None of them imports torch, and none of them ever shows a key, a token or a password.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from mycelium.errors import DeploymentError, MyceliumError, ObjectExistsError, StoreNotAvailableError
from mycelium.extras import Requirement
from mycelium.store import Store

State = Literal["good", "note", "bad"]

OLDEST, NEWEST_TESTED = (3, 11), (3, 13)
NEEDED_EXTRAS = ("coordinator",)
"""What this command line can't do its work without; the other extras are for other machines."""

SHOWN_EXTRAS = ("coordinator", "gpu", "infra", "verify")

LITTLE_BYTES, ENOUGH_BYTES = 1 << 30, 5 << 30
"""Free space below which a run is likely to fail, and below which it may."""

PROBES = "probes/"
"""The prefix of the objects that `check_store` writes and deletes; nothing else is ever kept there."""

_KEY_ID = re.compile(r"\b[A-Z0-9]{16,}\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        what: what was looked at.
        state: ``good``; ``note``: not there, and not needed by every user; ``bad``: something will fail.
        said: what was seen.
        advice: what to do; empty where nothing need be done.
    """

    what: str
    state: State
    said: str
    advice: str = ""


class FoundDeployment(Protocol):
    """What is said of a deployment."""

    @property
    def bucket(self) -> str:
        """The data bucket."""
        ...

    @property
    def region(self) -> str:
        """Where it is."""
        ...


def check_python(version: tuple[int, ...]) -> Finding:
    """See that this Python is one that Mycelium runs on."""
    shown = ".".join(map(str, version[:3]))
    if version[:2] < OLDEST:
        return Finding("Python", "bad", shown, "install Python 3.11 or newer, and make a new environment with it")
    if version[:2] > NEWEST_TESTED:
        return Finding("Python", "note", f"{shown}: newer than what is tested", "3.11 to 3.13 are tested")
    return Finding("Python", "good", shown)


def check_packages(requirements: Iterable[Requirement], installed: Callable[[str], str | None]) -> list[Finding]:
    """See which extras are installed, each whole, in versions that are known to do.

    Args:
        requirements: what this package asks for.
        installed: returns the installed version of a package, or None.
    """
    wanted: dict[str | None, list[Requirement]] = {None: [], **{extra: [] for extra in SHOWN_EXTRAS}}
    for requirement in requirements:
        if requirement.extra in wanted:
            wanted[requirement.extra].append(requirement)
    return [_check_extra(extra, asked, installed) for extra, asked in wanted.items() if asked]


def _check_extra(extra: str | None, asked: list[Requirement], installed: Callable[[str], str | None]) -> Finding:
    what, name = ("packages", "mycelium") if extra is None else (f"packages: {extra}", f"mycelium[{extra}]")
    have = {one.package: installed(one.package) for one in asked}
    missing = [package for package, version in have.items() if version is None]
    wrong = [f"{one.package} {version}" for one in asked if (version := have[one.package]) and not one.allows(version)]
    advice = f"pip install --upgrade '{name}'"
    if wrong:
        return Finding(what, "bad", f"of another version than is asked for: {', '.join(wrong)}", advice)
    if missing:
        needed = extra is None or extra in NEEDED_EXTRAS
        return Finding(what, "bad" if needed else "note", f"not installed: {', '.join(missing)}", advice)
    return Finding(what, "good", f"{len(have)} installed")


def check_credentials(ask: Callable[[], str], *, needed: bool) -> Finding:
    """See that AWS knows who we are.

    Args:
        ask: returns the ARN of who these credentials are.
        needed: whether something that was asked for can't do without.
    """
    try:
        return Finding("AWS credentials", "good", ask())
    except DeploymentError as error:  # which says what to do itself
        if needed:
            return Finding("AWS credentials", "bad", _hide(str(error)), "what was asked for is in the cloud")
        return Finding("AWS credentials", "note", _hide(str(error)), "nothing on this machine needs them")


def check_deployment(name: str, find: Callable[[], FoundDeployment], *, needed: bool) -> Finding:
    """See that what was deployed is there, and of the version of this code.

    Args:
        name: what it was deployed as.
        find: looks it up.
        needed: whether it was asked for by name.
    """
    try:
        found = find()
    except DeploymentError as error:
        is_stale = "is of version" in str(error)
        state: State = "bad" if needed or is_stale else "note"
        advice = "" if is_stale else "docs/deploy.md leads there, if you want to run in the cloud"
        return Finding(f"deployment {name}", state, _hide(str(error)), advice)
    return Finding(f"deployment {name}", "good", f"of this version, in {found.region}, bucket {found.bucket}")


def check_store(store: Store, token: str) -> Finding:
    """See that a store can be written, read and listed, that it never replaces what is there, and that it deletes.

    One small object below `PROBES` is written, and always taken away again.

    Args:
        store: the store.
        token: what makes the object's name and content its own.
    """
    what, key, data = f"store {store.uri}", f"{PROBES}doctor-{token}", token.encode()
    try:
        try:
            return _probe(store, what, key, data)
        finally:
            with contextlib.suppress(MyceliumError):  # what is wrong has been said
                store.delete(key)
    except StoreNotAvailableError as error:
        return Finding(what, "bad", _hide(str(error)), "name another by --store or MYCELIUM_STORE, or mend its rights")
    except MyceliumError as error:
        return Finding(what, "bad", _hide(str(error)), "see what stands between this machine and the store")


def _probe(store: Store, what: str, key: str, data: bytes) -> Finding:
    store.put(key, data, mode="create")
    try:
        store.put(key, b"replaced", mode="create")
    except ObjectExistsError:
        pass
    else:
        advice = "use a store that knows If-None-Match; two coordinators on this one could undo each other's work"
        return Finding(what, "bad", "it replaces an object that must only be created", advice)
    if store.get(key) != data or store.get_range(key, 1, 2) != data[1:3]:
        return Finding(what, "bad", "it gives back other bytes than were written", "do not keep data there")
    if [info.key for info in store.list(key)] != [key]:
        return Finding(what, "bad", "it does not list what was written", "grant s3:ListBucket on the bucket")
    with contextlib.suppress(MyceliumError):
        store.delete(key)
    if list(store.list(key)):
        return Finding(what, "note", "it does not delete", f"`gc` can't work there, and {key} stays")
    return Finding(what, "good", "written, read, listed, created once only, deleted")


def check_disk(place: str, free: int) -> Finding:
    """See that there is room.

    Args:
        place: which folder.
        free: bytes that may be written below it.
    """
    said = f"{free / 1e9:.1f} GB free"
    if free < LITTLE_BYTES:
        return Finding(f"disk {place}", "bad", said, "make room, or name another folder by --store or TMPDIR")
    if free < ENOUGH_BYTES:
        return Finding(f"disk {place}", "note", said, "a long run may fill it")
    return Finding(f"disk {place}", "good", said)


def check_gpu(gpus: Sequence[str], torch: str | None) -> Finding:
    """See that GPUs and torch go together.

    Args:
        gpus: the GPUs, as nvidia-smi names them; none where there is none, or no nvidia-smi.
        torch: the installed version of torch; None where there is none.
    """
    if not gpus:
        said = "no NVIDIA GPU here" if torch is None else f"no NVIDIA GPU here; torch {torch} computes on the CPU"
        return Finding("GPU", "note", said, "models are read here as well, and slower")
    named = ", ".join(gpus)
    if torch is None:
        return Finding("GPU", "note", f"{named}, and no torch", "pip install 'mycelium[gpu]' to read models on it")
    if "+cpu" in torch:
        advice = "pip install --force-reinstall torch, from an index whose builds carry CUDA"
        return Finding("GPU", "bad", f"{named}, and torch {torch}, which does not see it", advice)
    return Finding("GPU", "good", f"{named}; torch {torch}")


def check_endpoint(endpoint: str | None) -> Finding:
    """Say where requests to AWS go, if they go elsewhere."""
    if endpoint is None:
        return Finding("AWS endpoint", "good", "AWS's own")
    try:
        parts = urlsplit(endpoint)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return Finding("AWS endpoint", "bad", "AWS_ENDPOINT_URL is no URL", "unset it, or give http://HOST:PORT")
    said = f"every request to AWS goes to {parts.scheme}://{parts.hostname}{port}, by AWS_ENDPOINT_URL"
    return Finding("AWS endpoint", "note", said, "unset it to talk to AWS itself")


def _hide(text: str) -> str:
    """Return a message without what could be a key."""
    return _KEY_ID.sub("…", text)
