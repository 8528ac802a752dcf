"""Spreadsheets: ``.xlsx``, ``.csv``, ``.xls`` and others -> rows; requests and records -> ``.xlsx``.

The public API of ``sheets/``, the only package with openpyxl. It does not resolve names of reference images.
"""

import importlib
import threading
from typing import TYPE_CHECKING, Any

from app.sheets.header_synonyms import header_names
from app.sheets.limits import MAX_UPLOAD

if TYPE_CHECKING:
    from app.sheets.cells import Problem
    from app.sheets.importer import Import, read_workbook
    from app.sheets.ledger_export import ledger_lines, write_ledger, write_statement
    from app.sheets.own_results import (
        OwnResults,
        batch_of_file,
        own_result_notes,
        read_for_results,
        write_own_results,
    )
    from app.sheets.results_export import write_files, write_records, write_results
    from app.sheets.row_reader import ImportedRow
    from app.sheets.template_export import write_requests, write_template
    from app.sheets.xlsx_pictures import THUMBNAIL_BOX, Thumbnails

__all__ = [
    "MAX_UPLOAD",
    "THUMBNAIL_BOX",
    "Import",
    "ImportedRow",
    "OwnResults",
    "Problem",
    "Thumbnails",
    "batch_of_file",
    "header_names",
    "ledger_lines",
    "own_result_notes",
    "read_for_results",
    "read_workbook",
    "write_files",
    "write_ledger",
    "write_own_results",
    "write_records",
    "write_requests",
    "write_results",
    "write_statement",
    "write_template",
]

_LATE = {
    "cells": ("Problem",),
    "importer": ("Import", "read_workbook"),
    "ledger_export": ("ledger_lines", "write_ledger", "write_statement"),
    "own_results": (
        "OwnResults",
        "batch_of_file",
        "own_result_notes",
        "read_for_results",
        "write_own_results",
    ),
    "results_export": ("write_files", "write_records", "write_results"),
    "row_reader": ("ImportedRow",),
    "template_export": ("write_requests", "write_template"),
    "xlsx_pictures": ("THUMBNAIL_BOX", "Thumbnails"),
}
_importing = threading.RLock()  # threads that import parts of openpyxl at the same time end in a deadlock


def __getattr__(name: str) -> Any:
    """The value of a name whose module is imported at its first use: openpyxl takes 7 MB."""
    for module, names in _LATE.items():
        if name in names:
            with _importing:
                return getattr(importlib.import_module(f"app.sheets.{module}"), name)
    raise AttributeError(name)
