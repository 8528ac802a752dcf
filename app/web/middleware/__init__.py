"""Runs around every request: security checks, login, request log, compression."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
