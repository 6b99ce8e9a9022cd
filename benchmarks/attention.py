"""Every signal of every head beside the plain forward pass, and beside the naive way, on one CUDA device.

    python -m benchmarks.attention [--rounds 7] [--out DIR]

A random model of Qwen2-7B's geometry (28 layers, 28 heads, 4 key-value heads of 128, bfloat16) reads random tokens, of
which the first quarter is the prompt. The ways take turns, each from fresh inputs; times are CUDA's own, medians;
memory is the peak above what was there before. The naive way asks for every matrix, keeps them all, as the paper
does, and reduces them. Errors are the largest over three layers against the blocked path in float64 on the same
queries and keys, from memory that was filled with NaN before, and of the float16 that is stored.

The physical limit: Q·Kᵀ again at the rate of the tensor cores, and one exponential for each pair of tokens at the
rate of the special-function units. Both are counted of the visible half only.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers import AttentionInterface, Qwen2Config, Qwen2Model

from benchmarks.record import add_out, begin
from benchmarks.result import Column, Figure, Table
from gpu_workers.attention import ROW_SIGNALS, SIGNALS, Recorder, attend, install, observe
from gpu_workers.attention.blocked import Scores, read_blocked
from mycelium.signals.connectivity import effective_sources
from mycelium.signals.entropy import attention_entropy
from mycelium.signals.iaf import attended_fraction
from mycelium.signals.received import received_attention

SHAPES = [(1, 4096), (1, 2048), (8, 2048), (1, 600), (8, 600), (32, 600)]
LAYERS, HEADS, GROUPS, WIDTH = 28, 28, 4, 128
KEPT = ("plain", "naive", "fused")
AT_MOST = {(8, 600): 1.05, (32, 600): 1.05, (1, 2048): 1.10, (8, 2048): 1.10, (1, 4096): 1.10}
"""What the fused pass may take, over the plain one."""
ONE_PASS = (*ROW_SIGNALS, "received")
LOOKED_AT = (0, 13, 27)
TENSOR_RATE, EXPONENTIALS_PER_CLOCK, CLOCK = 790e12, 16, 1.98e9
"""bf16 multiply-adds as measured on an H200, two operations each; a multiprocessor's exponentials; its clock."""


@dataclass
class Way:
    """One way to run the model, and what it took."""

    run: Callable[[], object]
    implementation: str
    passes: int
    ms: list[float] = field(default_factory=list)
    mib: float = 0.0


def make_model() -> Any:
    """Make the model on the device; sharper attention than a fresh model's, so that the errors mean something."""
    config = Qwen2Config(
        vocab_size=1024,
        hidden_size=HEADS * WIDTH,
        intermediate_size=18944,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=8192,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = Qwen2Model(config).eval()
    torch.set_default_dtype(torch.float32)
    for layer in model.layers:
        layer.self_attn.q_proj.weight.data.mul_(2.5)
    return model


def reduce_naively(matrices: tuple[torch.Tensor, ...], is_input: torch.Tensor, n_input: int) -> list[Any]:
    """Take the same signals from matrices that all exist."""
    everything, found = torch.ones_like(is_input), []
    no_sink = everything.clone()
    no_sink[:, 0] = 0
    for matrix in matrices:
        weights = matrix[:, :, n_input - 1 : -1].float()
        found.append(
            [
                attended_fraction(weights, is_input, everything),
                attended_fraction(weights, is_input * no_sink, no_sink),
                attention_entropy(weights),
                effective_sources(weights),
                received_attention(weights),
            ]
        )
    return found


def make_ways(model: Any, b: int, s: int) -> dict[str, Way]:
    """Return the ways, over tokens drawn anew for each pass."""
    n_input = s // 4
    is_real = torch.ones((b, s), dtype=torch.bool)
    is_input = (torch.arange(s) < n_input).expand(b, s)
    on_device = is_input.float().cuda()

    def draw() -> torch.Tensor:
        return torch.randint(0, 1024, (b, s), device="cuda")

    def naive() -> object:
        answer = model(input_ids=draw(), use_cache=False, output_attentions=True)
        return reduce_naively(answer.attentions, on_device, n_input)

    def ours(signals: tuple[str, ...]) -> object:
        recorder = Recorder(is_input, is_real, signals=signals, dtype=torch.float16)
        observe(model, draw(), recorder)
        return recorder

    return {
        "plain": Way(lambda: model(input_ids=draw(), use_cache=False), "sdpa", 2),
        "naive": Way(naive, "eager", 1),
        "IAF": Way(lambda: ours(("iaf",)), "mycelium", 1),
        "fused": Way(lambda: ours(ONE_PASS), "mycelium", 2),
        "JSD too": Way(lambda: ours(SIGNALS), "mycelium", 1),
    }


def time_ways(model: Any, ways: dict[str, Way], rounds: int) -> None:
    """Let the ways take turns, after one round that does not count."""
    for number in range(rounds + 1):
        for way in ways.values():
            model.set_attn_implementation(way.implementation)
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            for _ in range(way.passes):
                way.run()
            end.record()
            torch.cuda.synchronize()
            if number:
                way.ms.append(start.elapsed_time(end) / way.passes)
                way.mib = max(way.mib, (torch.cuda.max_memory_allocated() - before) / 2**20)


def measure_errors(model: Any, b: int, s: int) -> dict[str, float]:
    """Compare with float64 on the same queries and keys, and check that the output is sdpa's bit for bit."""
    kept: dict[int, tuple[torch.Tensor, torch.Tensor, float]] = {}

    def look(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
        if module.layer_idx in LOOKED_AT:
            kept[module.layer_idx] = (query.clone(), key.clone(), options["scaling"])
        return attend(module, query, key, value, mask, **options)

    is_input = (torch.arange(s) < s // 4).expand(b, s)
    is_real, tokens = torch.ones((b, s), dtype=torch.bool), torch.randint(0, 1024, (b, s))
    model.set_attn_implementation("sdpa")
    plain = model(input_ids=tokens.cuda(), use_cache=False).last_hidden_state
    install(model)
    AttentionInterface.register("mycelium", look)
    torch.cuda.empty_cache()
    spoiled = torch.full((1 << 31,), torch.nan, device="cuda")
    del spoiled
    recorder = Recorder(is_input, is_real, signals=SIGNALS, dtype=torch.float16)
    assert torch.equal(observe(model, tokens, recorder), plain), "the output is not sdpa's"
    install(model)
    errors = dict.fromkeys(SIGNALS, 0.0)
    for layer, (query, key, scaling) in kept.items():
        exact = Recorder(is_input, is_real, signals=SIGNALS, dtype=torch.float64)
        exact.move(query.device)
        truth = read_blocked(Scores(query.double(), key.double(), scaling, None, exact.rows), exact)
        for name in SIGNALS:
            error = (recorder.layers[layer][name].double() - truth[name]).abs()
            if name in {"connectivity", "received"}:
                error /= truth[name].clamp(min=1)
            assert not error.isnan().any(), f"{name} was not written everywhere"
            errors[name] = max(errors[name], float(error.max()))
    return errors


def limit_ms(b: int, s: int) -> tuple[float, float]:
    """Return what Q·Kᵀ and the exponentials of one pass take at the least, over the rows of generated tokens."""
    pairs = LAYERS * b * HEADS * (s**2 - (s // 4) ** 2) / 2
    units = torch.cuda.get_device_properties(0).multi_processor_count
    return 2e3 * WIDTH * pairs / TENSOR_RATE, 1e3 * pairs / (EXPONENTIALS_PER_CLOCK * CLOCK * units)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one shape: the ways with their times, and the largest errors."""

    b: int
    s: int
    ways: dict[str, Way]
    errors: dict[str, float]

    @property
    def name(self) -> str:
        """Problems and tokens of each."""
        return f"{self.b} × {self.s}"

    def ms(self, way: str) -> tuple[float, ...]:
        """Milliseconds, round by round."""
        return tuple(self.ways[way].ms)

    def ratio(self, way: str) -> tuple[float, ...]:
        """Time over that of the plain pass of the same round."""
        return tuple(ours / plain for ours, plain in zip(self.ms(way), self.ms("plain"), strict=True))

    def memory(self, way: str) -> float:
        """Peak memory over that of the plain pass."""
        return self.ways[way].mib / self.ways["plain"].mib


def make_tables(found: Sequence[Found]) -> list[Table]:
    """Return times, memory and errors, a line for each shape."""
    shape = "tokens"
    times = Table(
        "Milliseconds of a forward pass; *fused* is IAF with and without the sink, entropy, connectivity and received "
        "attention, *with JSD* the divergence between windows besides. The least that Q·Kᵀ and the exponentials "
        "of one pass take is reckoned.",
        (
            *(Column(name, "ms") for name in ("plain sdpa", "naive, all kept", "IAF alone", "fused", "with JSD")),
            Column("least", "ms"),
            *(Column(f"{name} / plain", form=".3f") for name in ("naive", "fused")),
        ),
        tuple(
            (
                one.name,
                *map(one.ms, one.ways),
                sum(limit_ms(one.b, one.s)),
                *(statistics.median(one.ratio(way)) for way in ("naive", "fused")),
            )
            for one in found
        ),
        name="times",
        label=shape,
    )
    ratio = Column("fused / plain", form=".3f")
    memory = Table(
        "Peak memory above the model's.",
        (*(Column(name, "MiB") for name in ("plain sdpa", "naive, all kept", "fused")), ratio),
        tuple((one.name, *(one.ways[way].mib for way in KEPT), one.memory("fused")) for one in found),
        name="memory",
        label=shape,
    )
    errors = Table(
        "Largest error of what is stored in float16, against float64 on the same queries and keys; connectivity and "
        "received attention relative to max(1, value), entropy in nats, divergence in bits.",
        tuple(Column(name, form=".1e") for name in SIGNALS),
        tuple((one.name, *(one.errors[name] for name in SIGNALS)) for one in found),
        name="errors",
        label=shape,
    )
    return [times, memory, errors]


def make_figures(found: Sequence[Found]) -> list[Figure]:
    """Return what is quoted, beside what it is to be."""
    figures = []
    for one in found:
        if (one.b, one.s) in AT_MOST:
            what = f"every signal in one pass, {one.name} tokens, over the plain pass"
            at_most = AT_MOST[one.b, one.s]
            name = f"{one.b}x{one.s}"
            figures.append(Figure(name, what, one.ratio("fused"), "", "naive", one.ratio("naive"), at_most, form=".3f"))
    greatest = max(found, key=lambda one: one.memory("fused"))
    most = {name: max(one.errors[name] for one in found) for name in SIGNALS}
    return [
        *figures,
        Figure(
            "memory", f"peak memory over the plain pass's, at most ({greatest.name})", greatest.memory("fused"), "",
            "naive", greatest.memory("naive"), 1.1, form=".3f",
        ),
        Figure("iaf-error", "largest error of IAF", max(most["iaf"], most["iaf_without_sink"]), "", at_most=1e-3),
        Figure("entropy-error", "largest error of entropy", most["entropy"], "nats", at_most=1e-2),
    ]  # fmt: skip


@torch.inference_mode()
def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    add_out(parser)
    given = parser.parse_args()
    recording = begin("attention", given.out)
    model = make_model()
    found = []
    for b, s in SHAPES:
        install(model)
        ways = make_ways(model, b, s)
        time_ways(model, ways, given.rounds)
        found.append(Found(b, s, ways, measure_errors(model, b, s)))
        ratio = statistics.median(found[-1].ratio("fused"))
        print(f"{found[-1].name}: {ratio:.3f} of the plain pass's time", flush=True)
    recording.save(
        "Every signal of every head beside the plain forward pass",
        make_tables(found),
        make_figures(found),
        (f"torch {torch.__version__}", f"transformers {transformers.__version__}"),
        torch.cuda.get_device_name(),
    )


if __name__ == "__main__":
    main()
