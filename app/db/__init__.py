"""Everything that is kept in SQLite, one subject a file; reached through ``database``, its face."""
