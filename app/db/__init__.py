"""The SQLite schema and all SQL statements.

The only package that imports ``sqlite3``; its public API is ``database``.
"""
