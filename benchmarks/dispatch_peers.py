"""One way of dispatching tasks, measured in a fresh process; `benchmarks.dispatch` starts these and reads their answer.

``python -m benchmarks.dispatch_peers WAY STORE N_WORKERS LIMIT_S SIZE…`` prints one line of JSON: seconds from the
import of the framework to its first result, seconds of as many no-ops as each size says, and seconds of all chunks of a
store, the first time and again.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.dispatch_work import Chunk, count_beats, do_nothing

Function = Callable[[Any], int]
Map = Callable[[Function, Sequence[Any]], list[int]]


class Way(Protocol):
    """Opens a framework with so many workers, and gives its map over a list of tasks."""

    def __call__(self, n_workers: int) -> contextlib.AbstractContextManager[Map]:
        """Open it."""
        ...


@contextlib.contextmanager
def serial(n_workers: int) -> Iterator[Map]:
    """Do all in this process."""
    del n_workers
    yield lambda function, tasks: [function(task) for task in tasks]


@contextlib.contextmanager
def process_pool(n_workers: int, chunks_each: int = 0) -> Iterator[Map]:
    """Use the standard library's pool; with `chunks_each`, in that many batches for each worker."""
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - each way pays for its own imports

    with ProcessPoolExecutor(n_workers) as pool:

        def run(function: Function, tasks: Sequence[Any]) -> list[int]:
            size = max(1, len(tasks) // (n_workers * chunks_each)) if chunks_each else 1
            return list(pool.map(function, tasks, chunksize=size))

        yield run


def process_pool_in_batches(n_workers: int) -> contextlib.AbstractContextManager[Map]:
    """Use the standard library's pool as somebody does who knows that all tasks are alike."""
    return process_pool(n_workers, chunks_each=8)


@contextlib.contextmanager
def joblib(n_workers: int) -> Iterator[Map]:
    """Use joblib's default backend."""
    from joblib import Parallel, delayed  # noqa: PLC0415

    with Parallel(n_jobs=n_workers) as parallel:
        yield lambda function, tasks: list(parallel(delayed(function)(task) for task in tasks))


@contextlib.contextmanager
def loky(n_workers: int) -> Iterator[Map]:
    """Use loky's reusable executor."""
    from loky import get_reusable_executor  # noqa: PLC0415

    executor = get_reusable_executor(max_workers=n_workers)
    yield lambda function, tasks: list(executor.map(function, tasks))
    executor.shutdown(wait=True)


@contextlib.contextmanager
def ray(n_workers: int) -> Iterator[Map]:
    """Use Ray, on the loopback address alone."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    import ray as peer  # noqa: PLC0415

    peer.init(
        num_cpus=n_workers,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address="127.0.0.1",
    )

    def run(function: Function, tasks: Sequence[Any]) -> list[int]:
        remote = peer.remote(function)
        return list(peer.get([remote.remote(task) for task in tasks]))

    yield run
    peer.shutdown()


@contextlib.contextmanager
def dask(n_workers: int) -> Iterator[Map]:
    """Use Dask distributed: one thread to a process, no dashboard."""
    from distributed import Client, LocalCluster  # noqa: PLC0415

    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield lambda function, tasks: list(client.gather(client.map(function, tasks, pure=False)))


@contextlib.contextmanager
def mrjob(n_workers: int) -> Iterator[Map]:
    """Use mrjob's local runner: a job for each call."""
    from benchmarks.dispatch_mrjob import Tasks  # noqa: PLC0415

    def run(function: Function, tasks: Sequence[Any]) -> list[int]:
        del function  # the line says which
        lines = ["\t".join(task) if isinstance(task, tuple) else str(task) for task in tasks]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            job = Tasks(["-r", "local", "--no-conf", "--num-cores", str(n_workers), "--quiet", file.name])
            with job.make_runner() as runner:
                runner.run()
                return [value for _, value in job.parse_output(runner.cat_output())]

    yield run


def lithops(version: int) -> Way:
    """Use Lithops on this machine."""

    @contextlib.contextmanager
    def way(n_workers: int) -> Iterator[Map]:
        from lithops import FunctionExecutor  # noqa: PLC0415

        config = {
            "lithops": {"backend": "localhost", "storage": "localhost", "log_level": None, "telemetry": False},
            "localhost": {"runtime": sys.executable, "version": version, "worker_processes": n_workers},
        }
        with FunctionExecutor(config=config, log_level=None) as executor:

            def run(function: Function, tasks: Sequence[Any]) -> list[int]:
                # A NamedTuple would be taken apart into arguments.
                executor.map(lambda packed: function(packed[0]), [([task],) for task in tasks])
                return list(executor.get_result())

            yield run

    return way


WAYS: dict[str, Way] = {
    "serial": serial,
    "ProcessPoolExecutor": process_pool,
    "ProcessPoolExecutor, in batches": process_pool_in_batches,
    "joblib": joblib,
    "loky": loky,
    "Ray": ray,
    "Dask distributed": dask,
    "mrjob": mrjob,
    "Lithops localhost v1": lithops(1),
    "Lithops localhost v2": lithops(2),
}


def measure(way: Way, store: str, n_workers: int, limit_s: float, sizes: Sequence[int]) -> dict[str, Any]:
    """Measure one way; a size that would take longer than the limit is left out."""
    begun = time.perf_counter()
    seconds: dict[str, float] = {}
    with way(n_workers) as run:
        assert run(do_nothing, [0, 1]) == [0, 1]
        start_s = time.perf_counter() - begun
        each_s = 0.0
        for size in sizes:
            if each_s * size > limit_s:
                break
            begun = time.perf_counter()
            assert sorted(run(do_nothing, range(size))) == list(range(size))
            seconds[str(size)] = time.perf_counter() - begun
            each_s = seconds[str(size)] / size
        keys = sorted(Path(store).glob("iaf/*/*.parquet"))
        real = []
        for _ in range(2 if keys else 0):
            with tempfile.TemporaryDirectory(dir=Path(store).parent) as target:
                chunks = [Chunk(store, str(key.relative_to(store)), target, key.stem) for key in keys]
                begun = time.perf_counter()
                assert len(run(count_beats, chunks)) == len(keys)
                real.append(time.perf_counter() - begun)
    return {"start_s": start_s, "no_op_s": seconds, "real_s": real}


def main() -> None:
    """Measure, and print what was found."""
    name, store, n_workers, limit_s, *sizes = sys.argv[1:]
    answer = measure(WAYS[name], store, int(n_workers), float(limit_s), [int(size) for size in sizes])
    print("\n" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
