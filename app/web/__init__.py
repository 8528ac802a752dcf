"""HTTP in and out. The only package that imports Flask."""
