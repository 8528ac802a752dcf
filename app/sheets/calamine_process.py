"""A program of its own: a workbook on standard input -> its cells as lines of JSON on standard output.

Not imported by the app: on a hostile file python-calamine may take any amount of memory, or end the process.
For each sheet there is a line ``{"sheet", "hidden", "merges"}`` and, for each row with content, a line
``[row, [[column, value], …]]``; the last line is ``{"end": true}`` or ``{"error": "password"}``. Rows and
columns count from 1. A time is ``{"clock": [hours, minutes, seconds]}``, a date ``{"date": text}``.
"""

import io
import json
import sys
from datetime import date, datetime, time, timedelta
from typing import Any


def main(memory: int, seconds: int, max_rows: int, max_column: int) -> None:
    """Limit this process, and write the cells of the workbook."""
    _limit(memory, seconds)
    import python_calamine

    content = sys.stdin.buffer.read()
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        for sheet in book.sheets_metadata:
            if sheet.typ is python_calamine.SheetTypeEnum.WorkSheet:
                hidden = sheet.visible is not python_calamine.SheetVisibleEnum.Visible
                _write_sheet(book.get_sheet_by_name(sheet.name), hidden, max_rows, max_column)
    except python_calamine.PasswordError:
        _write({"error": "password"})
        return
    _write({"end": True})


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent watches
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):  # macOS refuses RLIMIT_AS: the parent watches
            continue


def _write_sheet(sheet: Any, hidden: bool, max_rows: int, max_column: int) -> None:
    merges = [
        [row + 1, column + 1, last_row + 1, last_column + 1]
        for (row, column), (last_row, last_column) in sheet.merged_cell_ranges or ()
    ]
    _write({"sheet": sheet.name, "hidden": hidden, "merges": merges})
    first_column = (sheet.start or (0, 0))[1] + 1
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = [
            [column, _plain(value)]
            for column, value in enumerate(values[:max_column], first_column)
            if value != ""
        ]
        if number > max_rows:
            _write({"error": "rows"})
            sys.exit(0)
        if cells:
            _write([number, cells])


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        return {"clock": [seconds // 3600, seconds // 60 % 60, seconds % 60]}
    if isinstance(value, time):
        return {"clock": [value.hour, value.minute, value.second]}
    if isinstance(value, datetime):
        midnight = value.time() == time(0)
        return {"date": value.date().isoformat() if midnight else value.isoformat(" ", "seconds")}
    return {"date": value.isoformat()} if isinstance(value, date) else value


def _write(line: object) -> None:
    sys.stdout.buffer.write(json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
