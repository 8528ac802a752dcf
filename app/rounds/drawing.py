"""Draws the previews that clients see; pages of the studio need the other threads."""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import database
from app.errors import AppError
from app.images import previews
from app.rounds import sql
from app.rounds.rules import Round
from app.web.services import Services, Slots


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
