"""Changes one condition of the money code at a time and runs the nearest tests: ``make mutants``."""
