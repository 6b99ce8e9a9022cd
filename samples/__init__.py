"""The embedded default: a tiny teacher of our own, the problems it has not seen, and what made both.

Nothing here is imported by a Lambda function. `samples.generator` writes the problems with the standard library alone;
`samples.train_teacher` trains the teacher and is the only module here that needs torch and transformers.
"""

from pathlib import Path

TEACHER_DIR = Path(__file__).parent / "teacher"
"""A folder that `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` load offline."""

PROBLEMS_FILE = Path(__file__).parent / "problems.jsonl.gz"
"""200 held-out problems, 40 of each level, mixed so that any five neighbours hold all five levels."""
