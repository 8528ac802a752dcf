"""The JSON API: blueprints below ``/api``."""

from flask import Blueprint

from app.web.api import (
    batches,
    edit,
    models,
    openapi,
    recipes,
    records,
    requeue,
    results,
    spreadsheets,
    tables,
)

_BLUEPRINTS = (
    *(tables.bp, batches.bp, requeue.release_bp, requeue.repair_bp, records.bp, spreadsheets.bp, results.bp),
    *(models.bp, openapi.bp, edit.bp, models.prompts_bp, recipes.bp),
)


def blueprint(*rooms: Blueprint) -> Blueprint:
    """The API, with those of the rooms that are handed in."""
    bp = Blueprint("api", __name__, url_prefix="/api")
    for each in (*_BLUEPRINTS, *rooms):
        bp.register_blueprint(each)
    return bp
