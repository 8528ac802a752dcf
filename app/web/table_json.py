"""Tables and their rows as the API answers them: what is empty is left out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from flask import url_for

import database
from app.domain import Status
from app.domain.tables import Row, RowPicture, Table
from app.tables.states import RowState
from app.tables.view import RowView
from app.web.formatting import model_label
from app.web.services import picture_notes


def table_json(table: Table, **more: Any) -> dict[str, Any]:
    """A table, with what ``more`` is known of an open one: ``totals``, ``run``."""
    fields = {
        "id": table.id,
        "name": table.name,
        "version": table.version,
        "columns": [*table.own_columns],
        "model": table.model,
        "workbook": table.workbook_id,
        "created_at": table.created_at,
        "updated_at": table.updated_at,
        "archived": table.archived_at is not None,
        "deleted": table.deleted_at is not None,
        "recipe": json.loads(table.recipe) if table.recipe else None,
    }
    return fields | more


def totals_json(totals: database.TableTotals) -> dict[str, Any]:
    """The totals of a table."""
    return {name: value for name, value in asdict(totals).items() if value or name not in ("sets", "paid")}


def rows_json(views: Sequence[RowView], *, known: int = 0) -> list[dict[str, Any]]:
    """Rows as they are shown; a picture that its row does not ask for now has ``earlier`` and ``model``.

    A row that has not changed since the version ``known`` is ``unchanged``, and comes without what it stores.
    """
    output = url_for("media.output", name="-")[:-1]
    thumbnails = url_for("media.thumbnail", record_id=0)[:-1]
    shown = {picture.record_id for view in views for picture in view.pictures}
    notes = picture_notes(shown)

    def picture_json(picture: RowPicture, fingerprint: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "record_id": picture.record_id,
            "number": picture.number,
            "status": picture.status,
        }
        if picture.filename:
            found["url"] = output + quote(picture.filename)
            found["thumbnail_url"] = f"{thumbnails}{picture.record_id}"
            if picture.width and picture.height:
                found |= {"width": picture.width, "height": picture.height}
        if picture.pick:
            found["pick"] = picture.pick
        if picture.error and picture.status is not Status.SUCCESS:
            found["error"] = picture.error
        if picture.is_charged and picture.status is not Status.SUCCESS:
            found["charged"] = True
        if picture.status is Status.HELD:
            found["run"] = picture.batch_id
        if picture.is_shared:
            found["shared"] = True
        if picture.record_id in notes:
            found["client"] = notes[picture.record_id]
        if picture.fingerprint != fingerprint:
            found |= {"earlier": True, "model": model_label(picture.model)}
        return found

    def row_json(view: RowView) -> dict[str, Any]:
        row = view.row
        found: dict[str, Any] = {
            "id": row.id,
            "state": view.state,
            **({"unchanged": True} if row.version <= known else _stored_json(row)),
        }
        if view.same_as is not None:
            found["same_as"] = view.same_as
        pictures = [picture for picture in view.pictures if not picture.is_trashed]
        if pictures:
            found["pictures"] = [picture_json(picture, row.fingerprint) for picture in pictures]
        if view.state is RowState.TRASHED:
            found["trashed"] = [picture.record_id for picture in view.pictures if picture.is_trashed]
        if view.missing:
            found |= {"missing": view.missing, "price": view.price}
        return found

    return [row_json(view) for view in views]


def _stored_json(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {**row.fields, "number": row.number, "place": row.position}
    if row.columns:
        found["columns"] = row.columns
    if row.sent:
        found["sent"] = row.sent
    if row.problems:
        found["problems"] = [{"field": name, "error": sentence} for name, sentence in row.problems]
    if row.is_gone:
        found["is_gone"] = True
    if row.product:
        found |= {"product": row.product, "role": row.role}
    return found
