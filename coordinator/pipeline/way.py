"""The way to a stage: which stages must run before it, read off the datasets that they read and write.

Nobody draws the graph. A dataset that a stage writes is made by that stage; what no stage writes, problems and what the
GPU machines leave, must be in the store. A dataset that both can make, `iaf`, say, is taken from the store where it
lies there for these problems, and made where it does not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mycelium.errors import UserInputError
from mycelium.hint import say_command
from mycelium.schema import Dataset
from mycelium.stage import Stage

MAKERS = {
    "problems": "coordinator ingest",
    "embeddings": "gpu_workers embed",
    "divergence": "gpu_workers extract --signals iaf,jsd",
    "attention": "gpu_workers extract --signals raw",
}
"""Who leaves a dataset that no stage writes; all others are the extractor's."""
EXTRACTOR = "gpu_workers extract"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a way.

    Attributes:
        stage: the stage.
        reads: the datasets that it reads with the parameters that it is given, in order.
        sources: for each of them, the name of the stage of the way that makes it; None for a dataset that is given.
    """

    stage: Stage[Any]
    reads: tuple[Dataset, ...]
    sources: tuple[str | None, ...]

    @property
    def after(self) -> frozenset[str]:
        """The stages that must be done before."""
        return frozenset(source for source in self.sources if source is not None)


def find_way(
    targets: Sequence[str],
    stages: Mapping[str, Stage[Any]],
    params: Mapping[str, Any],
    is_given: Callable[[Dataset], bool],
) -> tuple[Step, ...]:
    """Return the stages that lead to some stages, those included, each after all that it needs.

    Args:
        targets: the stages wanted, by name.
        stages: all stages, by name.
        params: the parameters of each, by name: they may decide what it reads.
        is_given: whether the store has a dataset that need not be made.

    Raises:
        UserInputError: a dataset is neither given nor made by any stage; the message names who makes it.
    """
    writers = {dataset.name: stage for stage in stages.values() for dataset in stage.writes}
    way: dict[str, Step] = {}
    under_way: list[str] = []

    def source(dataset: Dataset, reader: Stage[Any]) -> str | None:
        if is_given(dataset):
            return None
        writer = writers.get(dataset.name)
        # A stage that is being looked at would have to run before itself: what it lacks must be given.
        if writer is None or writer.name in under_way:
            maker = MAKERS.get(dataset.name, EXTRACTOR)
            raise UserInputError(
                f"stage {reader.name} reads {dataset.name}, of which the store has no complete run for these "
                f"problems: `{say_command(maker)}` makes it"
            )
        visit(writer)
        return writer.name

    def visit(stage: Stage[Any]) -> None:
        if stage.name in way:
            return
        under_way.append(stage.name)
        reads = stage.inputs(params[stage.name])
        sources = tuple(source(dataset, stage) for dataset in reads)
        under_way.pop()
        way[stage.name] = Step(stage, reads, sources)

    for target in targets:
        visit(stages[target])
    return tuple(way.values())
