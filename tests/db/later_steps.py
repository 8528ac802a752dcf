"""What migrations after 0.2.0 add, for tests that make a database of an earlier version."""

import database

TABLES_SINCE_19 = (
    *("delivery_profiles", "deliveries", "delivery_files", "recipes"),
    *("rounds", "round_pictures", "round_marks", "people", "tokens", "setting_changes"),
)


def take_from_postgres(db: database.Connection) -> None:
    """Take from a new PostgreSQL database what writers that run beside each other need."""
    db.execute("DROP TABLE pending_changes")
    db.execute("DROP INDEX charges_of_hour, counts_of_day")
