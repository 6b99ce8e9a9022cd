"""The Triton kernels: one pass over queries and keys, with nothing larger than a tile of attention ever in existence.

A program takes a tile of queries of one head and goes over the tiles of source tokens that any of them may look at.
Scores are in units of log₂, because the chip computes 2^x. Let p be the weights against a maximum m, or against the
sum itself where that is known, and x their logarithms; then per query Σp, Σp over the prompt, Σp·x and Σp² are all
that IAF, entropy and connectivity need, and they are rescaled together whenever m grows.

Tiles that every query of the program sees whole, on one side of the end of the prompt and without the sink, are done
by a short loop without any comparison; the others by a loop that masks. `_find_tiles` says which are which.
"""

import triton
import triton.language as tl

LOWEST = tl.constexpr(-1.0e30)
FAR = tl.constexpr(1 << 30)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _load_rows(position_at, first_at, split_at, t, n_rows, sliding):
    """Load what `Rows` says of some queries, and the first source that each may look at."""
    position = tl.load(position_at + t, mask=(t >= 0) & (t < n_rows), other=-1)
    first = tl.load(first_at + t, mask=(t >= 0) & (t < n_rows), other=0)
    split = tl.load(split_at + t, mask=(t >= 0) & (t < n_rows), other=0)
    return position, first, split, tl.maximum(first, position - sliding + 1)


@triton.jit
def _load_queries(query_at, stride, position, d, WIDTH: tl.constexpr):
    """Load the queries at some positions, shape (M, D); absent ones, and columns beyond the width, are 0."""
    inside = (position >= 0)[:, None] & (d < WIDTH)[None, :]
    return tl.load(query_at + position[:, None] * stride + d[None, :], mask=inside, other=0.0)


@triton.jit
def _load_keys(key_at, stride, source, n_sources, d, WIDTH: tl.constexpr, MASKED: tl.constexpr):
    """Load the keys of some sources, shape (D, N)."""
    at = key_at + source[None, :] * stride + d[:, None]
    if MASKED:
        inside = (source < n_sources)[None, :] & (d < WIDTH)[:, None]
        keys = tl.load(at, mask=inside, other=0.0)
    elif d.shape[0] != WIDTH:
        keys = tl.load(at, mask=(d < WIDTH)[:, None], other=0.0)
    else:
        keys = tl.load(at)
    return keys


@triton.jit
def _find_tiles(position, first, split, low, N: tl.constexpr):
    """Sort the tiles of sources: plain, all input; plain, none; and those to be masked.

    Returns:
        Numbers of tiles, rising: the first that is looked at, the first plain one, the first that the end of a prompt
        cuts, the first plain one after it, the first after the plain ones, and the end.
    """
    present = position >= 0
    start = tl.min(tl.where(present, low, FAR)) // N
    end = (tl.max(position) + N) // N
    plain = (tl.max(tl.where(present, tl.maximum(low, first + 1), 0)) + N - 1) // N
    plain_end = tl.maximum(plain, tl.min(tl.where(present, position + 1, FAR)) // N)
    cut = tl.min(tl.where(present, split, FAR)) // N
    cut = tl.minimum(tl.maximum(cut, plain), plain_end)
    cut_end = (tl.max(split) + N - 1) // N
    cut_end = tl.minimum(tl.maximum(cut_end, cut), plain_end)
    return start, plain, cut, cut_end, plain_end, end


@triton.jit
def _masked_tile(i, start, plain, cut, cut_end, plain_end):
    """Return which tile is the i-th of those to be masked."""
    before, inside = plain - start, cut_end - cut
    late = tl.where(i < before + inside, cut + i - before, plain_end + i - before - inside)
    return tl.where(i < before, start + i, late)


@triton.jit
def _raise(m, x, sums, KNOWN: tl.constexpr):
    """Raise the maximum to that of new scores, and rescale the sums to it; a known maximum stays."""
    if not KNOWN:
        sink, part, rest, surprise, squares = sums
        raised = tl.maximum(m, tl.max(x, 1))
        scale = tl.exp2(m - raised)
        surprise = scale * (surprise + (m - raised) * (sink + rest))
        sums = (sink * scale, part * scale, rest * scale, surprise, squares * scale * scale)
        m = raised
    return m, sums


@triton.jit
def _add_plain(m, x, sums, is_input, KNOWN: tl.constexpr):
    """Add a tile of scores without a mask; return the maximum, the sums and the weights."""
    m, sums = _raise(m, x, sums, KNOWN)
    sink, part, rest, surprise, squares = sums
    x = x - m[:, None]
    p = tl.exp2(x)
    total = tl.sum(p, 1)
    sums = (sink, part + total * is_input, rest + total, surprise + tl.sum(p * x, 1), squares + tl.sum(p * p, 1))
    return m, sums, p


@triton.jit
def _add_masked(m, x, sums, source, position, first, split, low, KNOWN: tl.constexpr):
    """Add a tile of scores of which not all are seen; return the maximum, the sums and the weights."""
    seen = (source[None, :] >= low[:, None]) & (source[None, :] <= position[:, None])
    m, sums = _raise(m, tl.where(seen, x, LOWEST), sums, KNOWN)
    sink, part, rest, surprise, squares = sums
    x = tl.where(seen, x - m[:, None], 0.0)
    p = tl.where(seen, tl.exp2(x), 0.0)
    others = tl.where(source[None, :] == first[:, None], 0.0, p)
    sink += tl.sum(p - others, 1)
    part += tl.sum(tl.where(source[None, :] < split[:, None], others, 0.0), 1)
    sums = (sink, part, rest + tl.sum(others, 1), surprise + tl.sum(p * x, 1), squares + tl.sum(p * p, 1))
    return m, sums, p


@triton.jit
def _store_rows(sums, present, at, inside, iaf_at, without_sink_at, entropy_at, connectivity_at):
    """Turn the sums into signals, and store those that have a place; absent rows are 0."""
    sink, part, rest, surprise, squares = sums
    total = sink + rest
    one = tl.full(total.shape, 1.0, tl.float32)
    whole = tl.where(present, total, one)
    if iaf_at is not None:
        value = (part + sink) / whole
        tl.store(iaf_at + at, tl.where(present, tl.where(value > 1.0, 1.0, value), 0.0), mask=inside)
    if without_sink_at is not None:
        value = part / tl.where(present & (rest != 0.0), rest, one)
        tl.store(without_sink_at + at, tl.where(present, tl.where(value > 1.0, 1.0, value), 0.0), mask=inside)
    if entropy_at is not None:
        value = (tl.log2(whole) - surprise / whole) * LN_2
        tl.store(entropy_at + at, tl.where(present, tl.where(value < 0.0, 0.0, value), 0.0), mask=inside)
    if connectivity_at is not None:
        value = whole * whole / tl.where(present, squares, one)
        tl.store(connectivity_at + at, tl.where(present, value, 0.0), mask=inside)


@triton.jit
def _store_columns(p, at, source, n_sources, ROUND: tl.constexpr):
    """Store what a tile of sources receives from the queries of this program.

    A sum over queries crosses all threads. With ROUND the tensor cores take it, as a product with a row of ones, of
    weights rounded to float16; without, the threads pass float32 to one another. The first is faster in the one pass
    with known sums, where registers are left for it.
    """
    if ROUND:
        row = tl.arange(0, 16)[:, None]
        one = tl.where(row == 0, 1.0, 0.0) + tl.zeros((16, p.shape[0]), tl.float32)
        sums = tl.dot(one.to(tl.float16), p.to(tl.float16))
        tl.store(at + source[None, :] + row * 0, sums, mask=(row == 0) & (source < n_sources)[None, :])
    else:
        tl.store(at + source, tl.sum(p, 0), mask=source < n_sources)


@triton.jit
def _store_nothing(at, start, end, N: tl.constexpr):
    """Store that sources from `start` to `end` receive nothing."""
    for n in range(start, end, N):
        source = n + tl.arange(0, N)
        tl.store(at + source, tl.zeros((N,), tl.float32), mask=source < end)


@triton.jit
def _sum_columns(q, m, key_at, key_stride, columns_at, position, low, tiles, n_sources, scale, d,
                 N: tl.constexpr, WIDTH: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """Go over the sources again, now that the sum of each row is known, and store what each receives."""
    start, plain, plain_end, end = tiles
    for tile in range(plain, plain_end):
        source = tile * N + tl.arange(0, N)
        k = _load_keys(key_at, key_stride, source, n_sources, d, WIDTH, MASKED=False)
        p = tl.exp2(tl.dot(q, k, input_precision=PRECISION) * scale - m[:, None])
        _store_columns(p, columns_at, source, n_sources, ROUND=False)
    for i in range(plain - start + end - plain_end):
        source = tl.where(i < plain - start, start + i, plain_end + i - (plain - start)) * N + tl.arange(0, N)
        k = _load_keys(key_at, key_stride, source, n_sources, d, WIDTH, MASKED=True)
        p = tl.exp2(tl.dot(q, k, input_precision=PRECISION) * scale - m[:, None])
        seen = (source[None, :] >= low[:, None]) & (source[None, :] <= position[:, None])
        _store_columns(tl.where(seen, p, 0.0), columns_at, source, n_sources, ROUND=False)


@triton.jit
def read_rows(query_at, key_at, position_at, first_at, split_at, known_at,  # noqa: C901 - the compiler knows most of it
              iaf_at, without_sink_at, entropy_at, connectivity_at, lse_at, columns_at,
              query_b, query_h, query_s, key_b, key_h, key_s, n_rows, n_sources, n_heads, scale, sliding,
              GROUP: tl.constexpr, WIDTH: tl.constexpr, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
              KNOWN: tl.constexpr, PRECISION: tl.constexpr) -> None:  # fmt: skip
    """Read one tile of queries of one head: every signal of the rows, and what the columns receive from them.

    Grid: (tiles of rows, b·h). Queries have shape (b, h, s, d), keys (b, g, s, d); outputs (b, h, t), the columns
    (b, h, tiles, s), each tile's by itself so that their sum does not depend on the order. Outputs that are None are
    not stored. With KNOWN, `known_at` has ln Σ exp(scores) of shape (b, h, s), and one pass is enough for the columns.
    """
    # The tiles with the most sources first: no program is left over that has only begun.
    tile, head = tl.num_programs(0) - 1 - tl.program_id(0), tl.program_id(1)
    b, h = (head // n_heads).to(tl.int64), head % n_heads
    query_at += b * query_b + h * query_h
    key_at += b * key_b + (h // GROUP) * key_h
    t, d = tile * M + tl.arange(0, M), tl.arange(0, D)
    at, inside = head.to(tl.int64) * n_rows + t, t < n_rows
    rows = b * n_rows
    position, first, split, low = _load_rows(position_at + rows, first_at + rows, split_at + rows, t, n_rows, sliding)
    present = position >= 0
    zero = tl.zeros((M,), tl.float32)
    m, sums = zero + LOWEST, (zero, zero, zero, zero, zero)
    if columns_at is not None:
        columns_at += (head.to(tl.int64) * tl.num_programs(0) + tile) * n_sources
    if tl.max(position) < 0:
        _store_rows(sums, present, at, inside, iaf_at, without_sink_at, entropy_at, connectivity_at)
        if columns_at is not None:
            _store_nothing(columns_at, 0, n_sources, N)
        return
    start, plain, cut, cut_end, plain_end, end = _find_tiles(position, first, split, low, N)
    q = _load_queries(query_at, query_s, position, d, WIDTH)
    if KNOWN:
        m = tl.load(known_at + head.to(tl.int64) * n_sources + position, mask=present, other=float("inf")) / LN_2
    for i in range(cut - plain + plain_end - cut_end):
        place = tl.where(i < cut - plain, plain + i, cut_end + i - (cut - plain))
        source = place * N + tl.arange(0, N)
        k = _load_keys(key_at, key_s, source, n_sources, d, WIDTH, MASKED=False)
        x = tl.dot(q, k, input_precision=PRECISION) * scale
        m, sums, p = _add_plain(m, x, sums, tl.where(i < cut - plain, 1.0, 0.0), KNOWN)
        if KNOWN and columns_at is not None:
            _store_columns(p, columns_at, source, n_sources, ROUND=KNOWN)
    for i in range(plain - start + cut_end - cut + end - plain_end):
        source = _masked_tile(i, start, plain, cut, cut_end, plain_end) * N + tl.arange(0, N)
        k = _load_keys(key_at, key_s, source, n_sources, d, WIDTH, MASKED=True)
        x = tl.dot(q, k, input_precision=PRECISION) * scale
        m, sums, p = _add_masked(m, x, sums, source, position, first, split, low, KNOWN)
        if KNOWN and columns_at is not None:
            _store_columns(p, columns_at, source, n_sources, ROUND=KNOWN)
    _store_rows(sums, present, at, inside, iaf_at, without_sink_at, entropy_at, connectivity_at)
    if not KNOWN:
        m = tl.where(present, m + tl.log2(sums[0] + sums[2]), float("inf"))
    if lse_at is not None:
        tl.store(lse_at + at, m, mask=inside)
    if columns_at is not None:
        if not KNOWN:
            tiles = (start, plain, plain_end, end)
            _sum_columns(q, m, key_at, key_s, columns_at, position, low, tiles, n_sources, scale, d,
                         N, WIDTH, PRECISION)  # fmt: skip
        _store_nothing(columns_at, 0, tl.minimum(start * N, n_sources), N)
        _store_nothing(columns_at, tl.minimum(end * N, n_sources), n_sources, N)


@triton.jit
def _x_log_x(x):
    """Return x·log₂ x, and 0 at 0."""
    return tl.where(x == 0.0, 0.0, x * tl.log2(tl.where(x == 0.0, 1.0, x)))


@triton.jit
def read_windows(query_at, key_at, position_at, first_at, whole_at, lse_at, out_at,
                 query_b, query_h, query_s, key_b, key_h, key_s, n_rows, n_sources, n_heads, scale, sliding, window,
                 GROUP: tl.constexpr, WIDTH: tl.constexpr, D: tl.constexpr, M: tl.constexpr, R: tl.constexpr,
                 N: tl.constexpr, PRECISION: tl.constexpr) -> None:  # fmt: skip
    """Compute the divergence between the windows before and after each of M rows of one head.

    The attention of R ≥ M + 2w rows around them is made again, a tile of sources at a time, from the logarithm of
    each row's sum. A matrix of zeros and ones times it adds up the rows of each window. With P and Q such sums over w
    rows, JSD = Σ_s (P·log₂P + Q·log₂Q − (P+Q)·log₂((P+Q)/2)) / 2w: constants cancel, since all sum to w.

    Grid: (tiles of rows, b·h). The weights are rounded to float16 on their way into that product.
    """
    tile, head = tl.num_programs(0) - 1 - tl.program_id(0), tl.program_id(1)
    b, h = (head // n_heads).to(tl.int64), head % n_heads
    query_at += b * query_b + h * query_h
    key_at += b * key_b + (h // GROUP) * key_h
    out, around, d = tl.arange(0, M), tl.arange(0, R), tl.arange(0, D)
    t = tile * M - window + around
    position, _, _, low = _load_rows(
        position_at + b * n_rows, first_at + b * n_rows, first_at + b * n_rows, t, n_rows, sliding
    )
    present = position >= 0
    m = tl.load(lse_at + head.to(tl.int64) * n_rows + t, mask=present, other=float("inf"))
    q = _load_queries(query_at, query_s, position, d, WIDTH)
    shift = around[None, :] - out[:, None]
    before = ((shift >= 0) & (shift < window)).to(tl.float16)
    after = ((shift >= window) & (shift < 2 * window)).to(tl.float16)
    total = tl.zeros((M,), tl.float32)
    start, end = tl.min(tl.where(present, low, FAR)) // N * N, tl.max(position) + 1
    for n in range(start, end, N):
        source = n + tl.arange(0, N)
        k = _load_keys(key_at, key_s, source, n_sources, d, WIDTH, MASKED=True)
        p = tl.exp2(tl.dot(q, k, input_precision=PRECISION) * scale - m[:, None])
        seen = (source[None, :] >= low[:, None]) & (source[None, :] <= position[:, None])
        p = tl.where(seen, p, 0.0).to(tl.float16)
        left, right = tl.dot(before, p), tl.dot(after, p)
        both = left + right
        total += tl.sum(_x_log_x(left) + _x_log_x(right) - both * (tl.log2(tl.where(both == 0.0, 1.0, both)) - 1.0), 1)
    rows = tile * M + out
    inside = rows < n_rows
    whole = tl.load(whole_at + b * n_rows + rows, mask=inside, other=0) != 0
    value = total / (2.0 * window)
    value = tl.where(value < 0.0, 0.0, tl.where(value > 1.0, 1.0, value))
    tl.store(out_at + head.to(tl.int64) * n_rows + rows, tl.where(whole, value, 0.0), mask=inside)
