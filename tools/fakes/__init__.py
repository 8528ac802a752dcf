"""Fakes at the wire: small HTTP servers that behave as the services are documented to.

``python -m tools.fakes.jimeng --port 0 --latency 2`` runs one standalone; it prints its address, and
``GET /__ledger`` returns its submissions and charges.
"""
