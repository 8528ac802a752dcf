"""Spreadsheets: ``.xlsx`` and ``.csv`` -> rows with per-cell problems; requests and records -> ``.xlsx``.

The public API of ``sheets/``, the only package with openpyxl. It does not resolve names of reference images.
"""

from app.sheets.cells import Problem
from app.sheets.importer import Import, ImportedRow, read_workbook
from app.sheets.ledger_export import ledger_lines, write_ledger
from app.sheets.limits import MAX_UPLOAD
from app.sheets.results_export import THUMBNAIL_BOX, write_records, write_results
from app.sheets.template_export import write_requests, write_template

__all__ = [
    "MAX_UPLOAD",
    "THUMBNAIL_BOX",
    "Import",
    "ImportedRow",
    "Problem",
    "ledger_lines",
    "read_workbook",
    "write_ledger",
    "write_records",
    "write_requests",
    "write_results",
    "write_template",
]
