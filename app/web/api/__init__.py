"""The JSON API: one blueprint a module, below ``/api``."""

from flask import Blueprint

from app.web.api import (
    batches,
    edit,
    models,
    openapi,
    prompts,
    records,
    release,
    repair,
    results,
    spreadsheets,
    tables,
)


def blueprint(*rooms: Blueprint) -> Blueprint:
    """The API, with those of the rooms that are handed in."""
    bp = Blueprint("api", __name__, url_prefix="/api")
    for module in (
        *(tables, batches, release, repair, records, spreadsheets, results),
        *(models, openapi, edit, prompts),
    ):
        bp.register_blueprint(module.bp)
    for room in rooms:
        bp.register_blueprint(room)
    return bp
