"""Connections and transactions of SQLite and PostgreSQL; knows no record."""
