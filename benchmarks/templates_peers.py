"""One way to make templates, in a process of its own: `benchmarks.templates` starts this, in the peers' environment.

    python benchmarks/templates_peers.py FOLDER METHOD K [K …]

It reads ``x``, ``p`` and ``y`` (embeddings, p(y|x), labels; ``_train`` and ``_test``) from the folder, and writes for
each k the templates of both. One line of JSON for each k says what processor time it took, from arrays to templates of
the training steps. Without mycelium, so that peers run as their users have them.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = Any
SEED = 1
RESTARTS = 3
"""Beginnings of k-means and of the deterministic bottleneck."""
SIB_RESTARTS = 10


def log2(values: Array) -> Array:
    """Return log2, −32 for 0."""
    return np.log2(np.maximum(values, 2.0**-32))


def group_means(rows: Array, ids: Array, k: int) -> Array:
    """Return the mean row of each group; that of all for an empty one."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - a process has one method

    counts = np.bincount(ids, minlength=k)
    sums = csr_array((np.ones(len(ids)), (ids, np.arange(len(ids)))), shape=(k, len(ids))) @ rows
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], rows.mean(axis=0))


def nearest(rows: Array, means: Array) -> Array:
    """Return the nearest mean of each row, squared."""
    distances = (means**2).sum(axis=1) - 2 * (rows @ means.T)
    return distances.argmin(axis=1)


def nearest_by_divergence(rows: Array, means: Array) -> Array:
    """Return the nearest mean of each row, Kullback-Leibler."""
    return (rows @ log2(means).T).argmax(axis=1)


def k_means(rows: Array, k: int) -> Array:
    """scikit-learn's k-means, three beginnings."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - as above

    return KMeans(k, n_init=RESTARTS, random_state=SEED).fit(rows).labels_


def information(labels: Array, ids: Array, k: int) -> float:
    """Return plug-in I(T;Y), bits."""
    table = np.zeros((k, labels.max() + 1))
    np.add.at(table, (ids, labels), 1)
    table /= table.sum()
    apart = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    there = table > 0
    return float((table[there] * np.log2(table[there] / apart[there])).sum())


def split_down(x: Array, y: Array, k_max: int) -> tuple[list[Array], list[tuple[int, Array]]]:
    """The paper's way: halve a cluster by k-means on X, and keep the halves if I(T;Y) gains; largest gain first.

    Returns:
        Each k's groups, from 1; and each split's parent and two means.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - as above

    def halve(members: Array) -> tuple[float, Array, Array]:
        if len(members) < 4:
            return 0.0, members, np.zeros((2, x.shape[1]))
        fitted = KMeans(2, n_init=3, random_state=SEED).fit(x[members])
        gain = information(y[members], fitted.labels_, 2) * len(members)
        return gain, fitted.labels_, fitted.cluster_centers_

    ids = np.zeros(len(x), np.int64)
    halves = {0: halve(np.arange(len(x)))}
    levels, splits = [ids.copy()], []
    while len(levels) < k_max:
        parent = max(halves, key=lambda t: halves[t][0])
        gain, side, means = halves[parent]
        if gain <= 0:
            break
        members = np.flatnonzero(ids == parent)
        ids[members[side == 1]] = len(levels)
        splits.append((parent, means))
        levels.append(ids.copy())
        for t in (parent, len(levels) - 1):
            halves[t] = halve(np.flatnonzero(ids == t))
    return levels, splits


def walk_down(x: Array, splits: list[tuple[int, Array]]) -> Array:
    """Lead new steps down the tree."""
    ids = np.zeros(len(x), np.int64)
    for new, (parent, means) in enumerate(splits, 1):
        members = np.flatnonzero(ids == parent)
        ids[members[nearest(x[members], means) == 1]] = new
    return ids


def paper(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """Grow the paper's tree to k."""
    levels, splits = split_down(data["x_train"], data["y_train"], k)
    return levels[-1], lambda: walk_down(data["x_test"], splits)


def k_means_x(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """k-means on X, without Y."""
    ids = k_means(data["x_train"], k)
    return ids, lambda: nearest(data["x_test"], group_means(data["x_train"], ids, k))


def one_hot_sib(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """Sequential bottleneck on one-hot Y; a new step, whose label nobody has, goes to the nearest mean in X."""
    ids = sib(np.eye(data["p_train"].shape[1])[data["y_train"]], k)
    return ids, lambda: nearest(data["x_test"], group_means(data["x_train"], ids, k))


def lda(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """Linear discriminant analysis, then k-means."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: PLC0415 - as above

    model = LinearDiscriminantAnalysis().fit(data["x_train"], data["y_train"])
    train, test = model.transform(data["x_train"]), model.transform(data["x_test"])
    ids = k_means(train, k)
    return ids, lambda: nearest(test, group_means(train, ids, k))


def deterministic(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """The deterministic bottleneck at great β: KL-k-means on p(y|x), three random beginnings."""
    p = data["p_train"]
    generator = np.random.default_rng(SEED)
    own = (p * log2(p)).sum(axis=1)
    best, best_value = None, -np.inf
    for _ in range(RESTARTS):
        means = 0.99 * p[generator.choice(len(p), k, replace=False)] + 0.01 / p.shape[1]
        value = -np.inf
        for _ in range(100):
            scores = p @ log2(means).T
            ids, before, value = scores.argmax(axis=1), value, float((scores.max(axis=1) - own).mean())
            means = group_means(p, ids, k)
            if value - before < 1e-6:
                break
        if value > best_value:
            best, best_value = ids, value
    assert best is not None
    return best, lambda: nearest_by_divergence(data["p_test"], group_means(p, best, k))


def sib(rows: Array, k: int) -> Array:
    """sib-clustering's sequential bottleneck, ten beginnings."""
    from sib import SIB  # noqa: PLC0415 - as above

    model = SIB(n_clusters=k, n_init=SIB_RESTARTS, random_state=SEED, n_jobs=1, uniform_prior=True)
    return np.asarray(model.fit(rows).labels_)


def sib_p(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """Sequential bottleneck on p(y|x)."""
    ids = sib(data["p_train"], k)
    return ids, lambda: nearest_by_divergence(data["p_test"], group_means(data["p_train"], ids, k))


def k_means_p(data: dict[str, Array], k: int) -> tuple[Array, Callable[[], Array]]:
    """k-means on p(y|x)."""
    ids = k_means(data["p_train"], k)
    return ids, lambda: nearest(data["p_test"], group_means(data["p_train"], ids, k))


METHODS = {
    "k-means on X": k_means_x,
    "the paper's splitting": paper,
    "sib on one-hot Y": one_hot_sib,
    "LDA, k-means": lda,
    "deterministic bottleneck on p(y|x)": deterministic,
    "k-means on p(y|x)": k_means_p,
    "sib-clustering, 10 restarts, on p(y|x)": sib_p,
}


def main() -> None:
    """Run one method."""
    folder, method, sizes = Path(sys.argv[1]), METHODS[sys.argv[2]], [int(k) for k in sys.argv[3:]]
    data = {path.stem: np.load(path) for path in folder.glob("?_t*.npy")}
    for name in ("p_train", "p_test"):
        data[name] = data[name].astype(np.float64)
    for k in sizes:
        start = time.process_time()
        ids, apply = method(data, k)
        cpu_s = time.process_time() - start
        np.savez(folder / f"ids_{k}.npz", train=ids, test=apply())
        print(json.dumps({"k": k, "cpu_s": cpu_s}), flush=True)


if __name__ == "__main__":
    main()
