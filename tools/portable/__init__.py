"""The program as a ZIP for Windows computers without Python: see build.py."""
