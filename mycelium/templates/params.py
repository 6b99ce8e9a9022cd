"""What can be set of the stage `templates`."""

from dataclasses import dataclass, field
from typing import Final

LABELS: Final = ("primary", "root", "all")


@dataclass(frozen=True, slots=True)
class TemplatesParams:
    """What can be set.

    Attributes:
        k: how many templates; None for as many as the labels bear out.
        k_max: how far the hierarchy is grown.
        min_size: steps that a template must have.
        label: what Y is: ``primary`` or ``root``, see `labels`; or ``all``, which share the step evenly.
        sample: steps that p(y|x) is estimated on, whole problems; all of them, if there are no more.
        in_memory: posterior rows that are gathered; of more, chunks are asked for sums.
        seed: decides folds and permutations.
    """

    k: int | None = field(
        default=None, metadata={"help": "Templates to assign steps to. Default: as many as held-out labels bear out."}
    )
    k_max: int = field(default=60, metadata={"help": "Templates that the hierarchy is grown to."})
    min_size: int = field(default=50, metadata={"help": "Steps that a template must have."})
    label: str = field(
        default="primary", metadata={"help": "What Y is: primary, root, or all labels, which share the step evenly."}
    )
    sample: int = field(default=100_000, metadata={"help": "Steps that p(y|x) is estimated on, in whole problems."})
    in_memory: int = field(
        default=10_000_000,
        metadata={"help": "Most steps whose p(y|x) is gathered; of more, chunks are asked for sums."},
    )
    seed: int = field(default=0, metadata={"help": "Decides folds and permutations."})

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        for name in ("k_max", "min_size", "sample"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is 1 or more; got {getattr(self, name)}")
        if self.k is not None and not 1 <= self.k <= self.k_max:
            raise ValueError(f"k is 1 to k_max, which is {self.k_max}; got {self.k}")
        if self.in_memory < 0 or self.seed < 0:
            raise ValueError(f"in_memory and seed are 0 or more; got {self.in_memory}, {self.seed}")
        if self.label not in LABELS:
            raise ValueError(f"label is {', '.join(LABELS)}; got {self.label!r}")
