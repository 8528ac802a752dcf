"""The JSON API: one blueprint a module, below ``/api``."""

from flask import Blueprint

from app.web.api import batches, models, records, samples, spreadsheets, usage
from app.web.openapi import document

bp = Blueprint("api", __name__, url_prefix="/api")
for module in (batches, records, spreadsheets, samples, usage, models, document):
    bp.register_blueprint(module.bp)
