"""The pictures of a round: as asked for, or new since the round before; draws previews for its client."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import database
from app.domain import Pick
from app.domain.tables import RowPicture, Standing, Table
from app.errors import AppError, NotFound
from app.images import previews
from app.rounds import sql
from app.rounds.rules import Round, Shown, label_of
from app.tables.states import RowView, view_rows
from app.web.services import Services, Slots


def choose(
    db: database.Connection,
    table: Table,
    *,
    pick: str,
    rows: Sequence[int] | None,
    records: Sequence[int] | None,
) -> list[Shown]:
    """Pictures of a table in the order of its rows: those kept, or all but the rejected, or these records.

    Each is shown once, also where equal rows share it. Raises NotFound for a record that is none of them.
    """
    wanted, found = set(records or ()), dict[int, Shown]()
    for view, picture in _made(view_rows(db, table, rows), earlier=records is not None):
        if picture.record_id in wanted if records is not None else _is_picked(picture, pick):
            found.setdefault(picture.record_id, _shown(view, picture))
    if missing := wanted - found.keys():
        raise NotFound("图片 {id} 不在这个表格里，它可能已被删除", id=min(missing))
    return list(found.values())


def choose_new(db: database.Connection, table: Table, before: Round) -> list[Shown]:
    """What the rows of a round show that was made since it began and was in no round of this client, each
    with the picture of that row that it follows: one with words, else one that was marked."""
    rounds = [each for each in sql.list_rounds(db, table.id) if each.client == before.client]
    shown = sql.list_shown(db, table.id)
    seen = {each.record_id for of in rounds for each in shown[of.id]}
    old: dict[int, list[Shown]] = {}
    for each in shown[before.id]:
        old.setdefault(each.row_id, []).append(each)
    made = [
        (view, picture)
        for view, picture in _made(view_rows(db, table, [*old]))
        if _is_picked(picture, "all") and picture.record_id not in seen
    ]
    records = database.list_selected(db, [picture.record_id for _, picture in made])
    new = {each.id for each in records if (each.finished_at or each.created_at) >= before.created_at}
    found: dict[int, Shown] = {}
    for view, picture in made:
        if picture.record_id in new:
            follows = min(old[view.row.id], key=lambda each: (not each.comment, not each.mark, each.n))
            found.setdefault(picture.record_id, _shown(view, picture, follows.record_id))
    return list(found.values())


def _made(views: Iterable[RowView], *, earlier: bool = False) -> Iterator[tuple[RowView, RowPicture]]:
    for view in views:
        for picture in view.pictures:
            is_asked = earlier or picture.fingerprint == view.row.fingerprint
            if is_asked and picture.standing is Standing.MADE and picture.filename:
                yield view, picture


def _is_picked(picture: RowPicture, pick: str) -> bool:
    return picture.pick == Pick.KEEP if pick == "keep" else picture.pick != Pick.REJECT


def _shown(view: RowView, picture: RowPicture, earlier: int | None = None) -> Shown:
    return Shown(
        n=0,
        record_id=picture.record_id,
        row_id=view.row.id,
        label=label_of(view.row),
        earlier_record_id=earlier,
    )


class PreviewDrawing:
    """Bounds how many previews a process draws at once."""

    def __init__(self) -> None:
        self._asked = Slots(4, "正在准备图片，请稍后再试", retry_after=1)
        self._turns, self._ahead = threading.Semaphore(2), threading.Lock()

    def preview(self, file: previews.PreviewFile, side: int, read: Callable[[], bytes]) -> bytes:
        """The preview that a client asks for. Raises NotFound, and TryLater while many others are drawn."""
        with ExitStack() as held:
            if not file.path(side).is_file():
                held.enter_context(self._asked)
                held.enter_context(self._turns)
            return previews.preview(file, side, read)

    def draw_ahead(self, db: database.Connection, of: Round, services: Services) -> None:
        """Draw the small previews of a new round in a thread, one at a time, until its client comes."""
        threads, originals = services.runtime.threads, services.originals
        if not threads.were_started:
            return
        jobs = [
            (
                previews.PreviewFile(
                    services.settings.output_dir, shown.record_id, shown.sha256, of.watermark
                ),
                partial(originals.read, shown.filename, originals.key(db, shown.filename)),
            )
            for shown in sql.pictures_of(db, of)
        ]

        def draw(file: previews.PreviewFile, read: Callable[[], bytes]) -> bool:
            with self._ahead, self._turns, suppress(AppError):
                previews.preview(file, previews.SMALL, read)
            return True

        def draw_all() -> None:
            for job in jobs:
                if not threads.aborting.is_set():
                    threads.guarded(partial(draw, *job), writes=False)

        threads.start_apart(draw_all, "previews")


def drawing_of(extensions: dict[str, Any]) -> PreviewDrawing:
    """That of an app."""
    found: PreviewDrawing = extensions.setdefault(__name__, PreviewDrawing())
    return found
