"""The schemas of both engines and all SQL statements.

The only package that imports ``sqlite3`` and psycopg; its public API is ``database``.
"""
