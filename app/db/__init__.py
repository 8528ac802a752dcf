"""SQLite: every table and every statement.

The only package that imports ``sqlite3``; reached through ``database``.
"""
