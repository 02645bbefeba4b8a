"""What can go wrong with a benchmark, as one line for the person who runs it."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""
