"""Reads the files again that were imported before."""

from collections.abc import Collection, Sequence
from typing import Any

import database
from app import sheets
from app.domain import WorkbookFile
from app.library.names import LibraryNames
from app.orders.read import today
from app.tables.versions import cells_of, read_stored
from app.web.services import connection, services
from app.web.submit import find_model


def read_file(
    workbook_id: str, rows: Sequence[Any] = (), *, model: str, names: Collection[str] = ()
) -> tuple[WorkbookFile, sheets.Import]:
    """A stored file, and its sheets of these names, or those that these rows of it name. Raises NotFound."""
    file = database.get_workbook_file(connection(), workbook_id)
    found = read_stored(
        file,
        rows,
        names=names,
        find_model=lambda written: find_model(written or model),
        is_known=LibraryNames(services().library).has,
        date=today(),
    )
    return file, found


def file_cells(workbook_id: str | None, rows: Sequence[Any], *, model: str) -> dict[int, dict[str, Any]]:
    """The cells of the file that these rows came from, by row number; empty without a file."""
    if workbook_id is None:
        return {}
    return {row.number: cells_of(row) for row in read_file(workbook_id, rows, model=model)[1].rows}
