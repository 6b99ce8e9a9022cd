"""The tasks of `benchmarks.dispatch` as a job of mrjob: a line in, a line out.

mrjob runs this file again for every step.
"""

from collections.abc import Iterator

from mrjob.job import MRJob

from benchmarks.dispatch_work import Chunk, count_beats, do_nothing


class Tasks(MRJob):  # type: ignore[misc] # mrjob has no types
    """A line is a number, for nothing to be done, or a chunk's four fields."""

    def mapper(self, _: object, line: str) -> Iterator[tuple[None, int]]:
        """Do one task."""
        fields = line.split("\t")
        yield None, do_nothing(int(line)) if len(fields) == 1 else count_beats(Chunk(*fields))


if __name__ == "__main__":
    Tasks.run()
