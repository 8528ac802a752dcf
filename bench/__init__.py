"""Benchmarks: each file runs alone (``python -m bench.batch_time``), all of them by ``make bench``."""
