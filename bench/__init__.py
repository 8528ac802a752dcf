"""Benchmarks: each file runs alone (``python -m bench.batch_time``), all of them by ``make bench``."""

NOT_MEASURED = 3  # the exit code of a benchmark that lacks what it needs: it has neither passed nor missed
