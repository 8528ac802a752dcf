"""The product behind the four names at top level; ``docs/architecture.md`` is the map."""
