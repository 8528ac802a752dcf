"""Tables of tests, and what is shown of their rows."""

import database
from app.domain import Models
from app.library.library import Library
from app.orders.read import RowReader
from app.tables.check import Checker, ensure_checked
from app.tables.states import RowView, view_rows
from tests.specs import ANY


class NoLibrary(Library):
    """A library without images; addresses of others stay as they are."""

    def __init__(self) -> None:
        pass

    digest = ""
    identify = pin = lambda self, images: {image: image for image in images}
    facts = lambda self, images: {}  # noqa: E731


MODELS = Models([ANY])


def checker(models: Models = MODELS) -> Checker:
    return Checker(reader=RowReader(models=models, library=NoLibrary(), find_model=models.find))


def opened_rows(db: database.Connection, table_id: str) -> list[RowView]:
    """The rows of a table, checked when they are not."""
    return view_rows(db, ensure_checked(db, database.get_table(db, table_id), checker()))
