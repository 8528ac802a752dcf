"""Pages and API: the rooms behind ``web_app``, the only ones that know Flask."""
