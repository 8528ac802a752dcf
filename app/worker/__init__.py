"""The threads that claim queued records and produce their images."""
