"""The OpenAPI document of the JSON API."""

import app.web.api  # noqa: F401 - its modules are imported before paths.py reads their limits
