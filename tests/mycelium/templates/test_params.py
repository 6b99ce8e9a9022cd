"""What has no meaning is refused."""

import pytest

from mycelium.templates.params import TemplatesParams


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"k": 0}, "k is 1 to k_max"),
        ({"k": 61}, "k is 1 to k_max, which is 60; got 61"),
        ({"k_max": 0}, "k_max is 1 or more"),
        ({"min_size": 0}, "min_size is 1 or more"),
        ({"sample": 0}, "sample is 1 or more"),
        ({"in_memory": -1}, "in_memory and seed are 0 or more"),
        ({"label": "secondary"}, "label is primary, root, all; got 'secondary'"),
    ],
)
def test_a_parameter_without_meaning_is_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TemplatesParams(**given)  # type: ignore[arg-type]


def test_the_defaults_have_a_meaning() -> None:
    assert TemplatesParams().k is None
