"""Plan a pipeline, and run it."""

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from coordinator.cost.actual import CLOUD, count_reads
from coordinator.cost.estimate import Expected as ExpectedThere
from coordinator.cost.estimate import Work, expect_cloud, expect_local
from coordinator.cost.evidence import read_history
from coordinator.cost.planned import make_limit
from coordinator.cost.prices import read_prices
from coordinator.cost.shared import SharedLimit
from coordinator.cost.tell import format_usd
from coordinator.executors.aws_lambda import MAX_CONCURRENCY
from coordinator.executors.choose import choose_executor
from coordinator.executors.local import count_cores
from coordinator.options import open_for_tasks
from coordinator.pipeline.conduct import Conducted, conduct
from coordinator.pipeline.given import Given
from coordinator.pipeline.way import Step, find_way
from lambdas.stages import find_stage, stage_names
from mycelium.datasets import PROBLEMS
from mycelium.deployment import DEFAULT_DEPLOYMENT
from mycelium.errors import UserInputError
from mycelium.events import Observer
from mycelium.failures import FailurePolicy, parse_policy
from mycelium.manifest import Manifest, find_run, latest_run
from mycelium.plan import Plan, plan_run, read_finished
from mycelium.progress import ShowsProgress, show_together
from mycelium.run import Allowance, Until, run_plan
from mycelium.stage import Stage
from mycelium.store import Store


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for; `run-pipeline --help` says what each means."""

    targets: tuple[str, ...]
    problems: str | None = None
    inputs: tuple[str, ...] = ()
    limit: int | None = None
    settings: tuple[str, ...] = ()
    executor: str = "local"
    deployment: str = DEFAULT_DEPLOYMENT
    max_workers: int | None = None
    max_concurrency: int | None = None
    backups: bool | None = None
    max_failures: str | None = None
    max_cost: float | None = None
    store: str | None = None

    @property
    def policy(self) -> FailurePolicy:
        """How much failure each stage bears."""
        return parse_policy(self.max_failures)


@dataclass(frozen=True, slots=True)
class Expected:
    """What one stage of a way is expected to take.

    Attributes:
        step: the stage and its place.
        reads: the datasets that it reads, and whence: a run, or the stage that makes them.
        n_chunks: chunks that it will have; of a stage whose input is not made yet, as many as its inputs are to have.
        n_found: chunks that are there already; None where that can't be known before its input is made.
        wall_s: how long it will take here; None if it never ran in this store.
        usd: what Lambda takes for it; None as above.
        least_usd: what it takes there at the least, nine times in ten; None as above.
    """

    step: Step
    reads: tuple[str, ...]
    n_chunks: int
    n_found: int | None
    wall_s: float | None
    usd: float | None
    least_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A pipeline, ready to run.

    Attributes:
        request: what was asked for.
        store: where all of it is.
        given: the runs that it starts from.
        way: the stages, in order.
        params: the parameters of each, by stage.
        expected: what each is expected to take, in order.
    """

    request: Request
    store: Store
    given: Given
    way: tuple[Step, ...]
    params: Mapping[str, Any]
    expected: tuple[Expected, ...]


def plan_pipeline(request: Request) -> Planned:
    """Find the way to what is asked for, and what it will take.

    Raises:
        UserInputError: a stage, a run or a parameter is not known, or something that no stage makes is missing.
    """
    parse_policy(request.max_failures)
    stages = {name: find_stage(name) for name in stage_names()}
    for target in request.targets:
        find_stage(target)  # names the nearest, if there is none
    store = open_for_tasks(request.executor, request.deployment, request.store)
    problems = find_run(store, request.problems, PROBLEMS.name) if request.problems else latest_run(store, PROBLEMS)
    given = Given(store, problems, stages.keys(), request.inputs, request.limit)
    params = read_settings(request.settings, stages)
    way = find_way(request.targets, stages, params, given.has)
    check_settings(request.settings, [step.stage.name for step in way])
    return Planned(request, store, given, way, params, _expect(store, given, way, params, request))


def run_planned(planned: Planned, *, quiet: bool = False, observer: Observer | None = None) -> Conducted:
    """Run what is missing of a pipeline.

    Args:
        planned: the pipeline.
        quiet: show no progress.
        observer: tells what happens, of all stages.

    Raises:
        StoreNotAvailableError: the store can't be used.
        KeyboardInterrupt: Ctrl-C; the same call carries on.
    """
    request = planned.request
    observer = observer or Observer()
    limit = SharedLimit(request.max_cost) if request.max_cost is not None else None
    with show_together() as show:

        def run_step(step: Step, manifests: Mapping[str, Manifest], stop: threading.Event) -> Manifest:
            plan = _plan_step(planned.store, planned.given, step, planned.params[step.stage.name], manifests)
            with _share(limit, planned, plan, stop) as allowance:
                until = Until(request.policy, stop, allowance)
                return _run_step(planned, plan, until, show, observer.of_another_run(), quiet=quiet)

        return conduct(planned.way, run_step, 1 if request.max_workers == 1 else 4)


def check_cost(planned: Planned) -> None:
    """Refuse to start a pipeline that would surely cost more than it may, as far as its stages ran before.

    Raises:
        UserInputError: it would.
    """
    request = planned.request
    known = [one for one in planned.expected if one.least_usd is not None]
    least_usd = sum(one.least_usd or 0.0 for one in known)
    if request.max_cost is None or request.executor not in CLOUD or least_usd <= request.max_cost:
        return
    likely_usd = sum(one.usd or 0.0 for one in known)
    raise UserInputError(
        f"--max-cost {format_usd(request.max_cost)} is below what this pipeline will cost: {format_usd(least_usd)} at "
        f"the least, {format_usd(likely_usd)} likely, of {len(known)} of its {len(planned.way)} stages; raise it, or "
        "--limit the problems"
    )


@contextmanager
def _share(
    limit: SharedLimit | None, planned: Planned, plan: Plan, stop: threading.Event
) -> Iterator[Allowance | None]:
    """Let a stage draw on the limit of them all; None where there is none, or where nothing is billed."""
    own = None
    if limit is not None:
        history = read_history(planned.store, plan.stage, plan.params)
        own = make_limit(plan, planned.request.executor, limit.limit_usd, history, read_prices())
    if limit is None or own is None:
        yield None
        return
    with limit.share(own, stop) as share:
        yield share


def _run_step(
    planned: Planned, plan: Plan, until: Until, show: ShowsProgress, observer: Observer, *, quiet: bool
) -> Manifest:
    request, store = planned.request, planned.store
    chosen = choose_executor(
        request.executor,
        plan.stage,
        request.deployment,
        max_workers=request.max_workers,
        max_concurrency=request.max_concurrency,
        backups=request.backups,
        observer=observer,
    )
    return run_plan(
        store,
        plan,
        chosen.executor,
        reducer=chosen.reducer,
        quiet=quiet,
        show=show,
        until=until,
        watch=chosen.watch,
        observer=observer,
    )


def _plan_step(
    store: Store,
    given: Given,
    step: Step,
    params: Any,  # noqa: ANN401 - the stage's own
    manifests: Mapping[str, Manifest],
) -> Plan:
    inputs = [
        given.manifest(dataset) if source is None else manifests[source]
        for dataset, source in zip(step.reads, step.sources, strict=True)
    ]
    return plan_run(store, store, step.stage, params, inputs)


def read_settings(settings: Sequence[str], stages: Mapping[str, Stage[Any]]) -> dict[str, Any]:
    """Return the parameters of each stage, by its name, from ``stage.name=value``.

    Raises:
        UserInputError: no stage has such a parameter, or the value is none of its type.
    """
    changed: dict[str, dict[str, str]] = {name: {} for name in stages}
    for setting in settings:
        stage, name, value = _split_setting(setting)
        known = [field.name for field in dataclasses.fields(find_stage(stage).params)]
        if name not in known:
            raise UserInputError(f"--set {setting}: {stage} has the parameters {', '.join(known)}")
        changed[stage][name] = value
    return {name: _set_params(stage, changed[name]) for name, stage in stages.items()}


def check_settings(settings: Sequence[str], way: Sequence[str]) -> None:
    """Refuse a setting of a stage that does not run: whoever made it expects it to matter.

    Raises:
        UserInputError: there is one.
    """
    for setting in settings:
        if _split_setting(setting)[0] not in way:
            raise UserInputError(f"--set {setting}: the stages of this pipeline are {', '.join(way)}")


def _split_setting(setting: str) -> tuple[str, str, str]:
    left, equals, value = setting.partition("=")
    stage, dot, name = left.replace("-", "_").partition(".")
    if not equals or not dot:
        raise UserInputError(f"--set takes STAGE.NAME=VALUE; got {setting!r}")
    return stage, name, value


def _set_params(stage: Stage[Any], changed: dict[str, str]) -> Any:  # noqa: ANN401 - the stage's own
    plain = msgspec.to_builtins(stage.params) | changed
    try:
        return msgspec.convert(plain, type(stage.params), strict=False)  # not strict: numbers and booleans from text
    except (msgspec.ValidationError, ValueError) as error:
        raise UserInputError(f"--set {stage.name}: {error} (of the parameters of {stage.name})") from None


def _expect(
    store: Store, given: Given, way: Sequence[Step], params: Mapping[str, Any], request: Request
) -> tuple[Expected, ...]:
    """Plan as far as the inputs are there, and estimate beyond."""
    expected: dict[str, Expected] = {}
    finished: dict[str, Manifest] = {}
    n_problems = sum(outcome.n_problems for outcome in given.problems.outcomes)
    for step in way:
        stage = step.stage
        reads = tuple(
            f"{dataset.name}/{given.manifest(dataset).run_id}" if source is None else f"{dataset.name} of {source}"
            for dataset, source in zip(step.reads, step.sources, strict=True)
        )
        n_found: int | None = None
        if step.after <= finished.keys():
            plan = _plan_step(store, given, step, params[stage.name], finished)
            n_chunks, n_found = plan.n_chunks, plan.n_found
            manifest = read_finished(store, plan)
            if manifest is not None:
                finished[stage.name] = manifest
        else:
            n_chunks = min(
                given.manifest(dataset).n_chunks if source is None else expected[source].n_chunks
                for dataset, source in zip(step.reads, step.sources, strict=True)
            )
        left = n_chunks - (n_found or 0)
        here, there = _expect_times(store, step, params[stage.name], (left, n_chunks, n_problems), request)
        expected[stage.name] = Expected(
            step,
            reads,
            n_chunks,
            n_found,
            None if here.wall_s is None else here.wall_s.likely,
            None if there.usd is None else there.usd.likely,
            None if there.usd is None else there.usd.low,
        )
    return tuple(expected.values())


def _expect_times(
    store: Store,
    step: Step,
    params: Any,  # noqa: ANN401 - the stage's own
    counts: tuple[int, int, int],
    request: Request,
) -> tuple[ExpectedThere, ExpectedThere]:
    """Return what a stage will take here and on Lambda, for all its chunks hold as many problems.

    Args:
        store: where its earlier runs are.
        step: the stage.
        params: its parameters.
        counts: chunks that are left, chunks, and problems in all of them.
        request: how many tasks run at a time.
    """
    n_left, n_chunks, n_problems = counts
    stage, history = step.stage, read_history(store, step.stage, params)
    sizes = [n_problems / n_chunks] * n_left if n_chunks else []
    n_reads = count_reads(stage, msgspec.to_builtins(params), len(step.reads)) + (stage.fit is not None)
    work = Work(sizes, len(step.reads), n_reads, len(stage.writes), n_chunks, stage.memory_mb)
    here, there = (history.find_evidence(on_lambda=on_lambda, unit="problems") for on_lambda in (False, True))
    return (
        expect_local(here, work, request.max_workers or count_cores()),
        expect_cloud("lambda", there, work, request.max_concurrency or MAX_CONCURRENCY, read_prices()),
    )
