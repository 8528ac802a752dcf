"""Spreadsheets: ``.xlsx`` and ``.csv`` -> rows with per-cell complaints; requests and records -> ``.xlsx``.

The face of ``sheets/``, the only rooms with openpyxl. Names of reference images are not looked up here.
"""

from sheets.bounds import MAX_UPLOAD
from sheets.cells import Problem
from sheets.ledger import ledger_lines, write_ledger
from sheets.reading import Import, ImportedRow, read_workbook
from sheets.results import THUMBNAIL_BOX, write_records, write_results
from sheets.writing import write_requests, write_template

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
