"""The screenshots of the documentation."""
