"""Which datasets a GPU machine may write: every one that no stage of Lambda writes, but the problems."""

from mycelium import datasets
from mycelium.schema import Dataset


def test_gpu_machines_write_all_of_these_but_the_problems() -> None:
    declared = {found.name for found in vars(datasets).values() if isinstance(found, Dataset)}
    assert datasets.GPU_WRITTEN.keys() == declared - {"problems"}
    assert all(name == dataset.name for name, dataset in datasets.GPU_WRITTEN.items())
