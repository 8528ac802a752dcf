"""What migrations after 0.2.0 add, for tests that make a database of an earlier version."""

TABLES_SINCE_19 = (
    *("delivery_profiles", "deliveries", "delivery_files", "recipes"),
    *("rounds", "round_pictures", "round_marks", "people", "tokens", "setting_changes"),
)
