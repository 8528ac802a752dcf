"""The JSON API: one blueprint a module, below ``/api``."""

from flask import Blueprint

from app.web.api import (
    batches,
    edit,
    models,
    notifications,
    openapi,
    prompts,
    records,
    release,
    repair,
    results,
    samples,
    settings,
    spreadsheets,
    tables,
    usage,
)

bp = Blueprint("api", __name__, url_prefix="/api")
for module in (
    *(tables, batches, release, repair, records, spreadsheets, results, samples, usage),
    *(models, settings, notifications, openapi, edit, prompts),
):
    bp.register_blueprint(module.bp)
