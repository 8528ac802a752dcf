"""What happens around every request: security checks, login, the request log, compression."""
