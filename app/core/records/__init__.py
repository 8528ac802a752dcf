"""Records: mapping, search, changes."""
