"""Runs around every request: security checks, login, request log, compression."""
