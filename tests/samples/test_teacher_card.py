"""The card says what was measured, and remembers the trainings before."""

from pathlib import Path

from samples import TEACHER_DIR
from samples.teacher_card import Score, Training, read_earlier, render_card


def make_training(command: str, earlier: tuple[str, ...] = ()) -> Training:
    """A training of known numbers."""
    return Training("abacus", 2.5, 1234, 5_000_000, 5_100_000, command, earlier)


def test_the_card_shows_scores_and_how_to_reproduce() -> None:
    card = render_card(make_training("train --well"), [Score(1, 9, 10)])
    assert "| 1 | 1 to 3 | 9 | 10 | 90.0% |" in card
    assert "2.5 minutes on one abacus: 1,234 steps, 5M tokens" in card
    assert "    python -m train --well\n" in card


def test_a_continued_training_keeps_the_lines_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(render_card(make_training("first"), []))
    card = render_card(make_training("second", read_earlier(tmp_path / "README.md")), [])
    assert card.index("python -m first") < card.index("python -m second")
    assert card.count("| training | ") == 2


def test_the_shipped_card_has_every_level() -> None:
    card = (TEACHER_DIR / "README.md").read_text()
    assert all(f"\n| {level} | " in card for level in range(1, 6))
