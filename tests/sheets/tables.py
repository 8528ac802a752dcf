"""Tables read as files that a test writes, and what was found in them."""

from typing import IO, Any

from openpyxl import load_workbook

from app.sheets import Import, Problem, read_workbook
from tools.workbooks.by_hand import workbook
from tools.workbooks.written import by_openpyxl


def read(*rows: Any, change: Any = None, **options: Any) -> Import:
    """Import a workbook with these rows, which ``change`` may modify; the options are of read_workbook."""
    return read_workbook(by_openpyxl(rows, change=change), "a.xlsx", **options)


def read_csv(text: str, **options: Any) -> Import:
    """Import a CSV file in UTF-8."""
    return read_workbook(text.encode(), "a.csv", **options)


def read_parts(sheet: str, **parts: Any) -> Import:
    """Import a workbook that is assembled by hand; see tools.workbooks.by_hand."""
    return read_workbook(workbook(sheet, **parts), "a.xlsx")


def opened(file: IO[bytes]) -> Any:
    """The workbook as openpyxl reads it."""
    with file:
        return load_workbook(file)


def field(found: Import, name: str) -> list[Any]:
    """This field of every row."""
    return [row.fields[name] for row in found.rows]


def prompts(found: Import) -> list[str]:
    """The prompts of the rows."""
    return field(found, "prompt")


def notes(found: Import) -> list[str]:
    """The notes as they are shown."""
    return [str(note) for note in found.notes]


def only_problem(found: Import) -> Problem:
    """The single problem."""
    (problem,) = found.problems
    return problem
