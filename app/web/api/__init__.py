"""The JSON API: one blueprint a module, below ``/api``."""

from flask import Blueprint

from app.web.api import (
    batches,
    edit,
    models,
    openapi,
    prompts,
    recipes,
    records,
    release,
    repair,
    results,
    spreadsheets,
    tables,
)

_MODULES = (
    tables,
    batches,
    release,
    repair,
    records,
    spreadsheets,
    results,
    models,
    openapi,
    edit,
    prompts,
    recipes,
)


def blueprint(*rooms: Blueprint) -> Blueprint:
    """The API, with those of the rooms that are handed in."""
    bp = Blueprint("api", __name__, url_prefix="/api")
    for each in (*(module.bp for module in _MODULES), *rooms):
        bp.register_blueprint(each)
    return bp
