"""Fakes at the wire: small real servers that behave as the services are documented to.

``python -m tests.fakes.jimeng --port 0 --latency 2`` runs one alone; it prints its address, and
``GET /__ledger`` tells what was ordered and charged.
"""
