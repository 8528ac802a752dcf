"""The JSON API: one blueprint a module, below ``/api``."""

from flask import Blueprint

from app.web.api import batches, models, openapi, records, release, samples, spreadsheets, usage

bp = Blueprint("api", __name__, url_prefix="/api")
for module in (batches, release, records, spreadsheets, samples, usage, models, openapi):
    bp.register_blueprint(module.bp)
