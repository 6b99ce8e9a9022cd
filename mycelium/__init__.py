"""The shared heart of Mycelium: chunks in an object store, and pure functions over them.

What a notebook wants stands here by name:

    import mycelium as my

    store = my.open_store("store")                          # a folder, file:///path or s3://bucket/prefix
    my.list_runs(store)
    iaf = my.read_signal(store, "iaf/sample", layer=3, head=4)
    my.count_heartbeats(iaf).pandas()
    my.plot_trace(store, "heartbeats/sample")

Each name is imported when it is first used: Lambda functions import this package, too, and none of that.

No torch and no cloud lives here, but for one lazy door: `mycelium.store` imports boto3 when an ``s3://`` store is
opened.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mycelium.explore.beats import count_heartbeats
    from mycelium.explore.frame import Frame
    from mycelium.explore.plot import plot_trace
    from mycelium.explore.runs import list_datasets, list_runs
    from mycelium.explore.signal import Signal, read_signal
    from mycelium.store import open_store

__all__ = [
    "Frame",
    "Signal",
    "count_heartbeats",
    "list_datasets",
    "list_runs",
    "open_store",
    "plot_trace",
    "read_signal",
]

_HOMES = {
    "Frame": "mycelium.explore.frame",
    "Signal": "mycelium.explore.signal",
    "count_heartbeats": "mycelium.explore.beats",
    "list_datasets": "mycelium.explore.runs",
    "list_runs": "mycelium.explore.runs",
    "open_store": "mycelium.store",
    "plot_trace": "mycelium.explore.plot",
    "read_signal": "mycelium.explore.signal",
}


def __getattr__(name: str) -> object:
    """Import a public name's home on its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    """Name what completion should offer."""
    return sorted({*globals(), *__all__})
