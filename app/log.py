"""The log: one line an event, ``time level room event=… key=value …``, on stderr and in a file.

For whoever looks after the program; what a person at the screen must know stands in the batch's own log.
Nobody's prompt (and no file named after it), key or signed address comes in here.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

from app.domain import Record

_FILE_BYTES = 5_000_000
_FILES_KEPT = 3
_HIDDEN = re.compile(r"""(?<=\?)[^\s'"<>)]*=[^\s'"<>)]*|\b(?:sk|ak|AKLT)[-_]?[\w*-]{6,}""")


def init_logging(file: Path | None = None) -> None:
    """From now on write what any room logs: to stderr, and to the file when there is one."""
    logging.raiseExceptions = False  # a full disk must not fill the screen with complaints of the log itself
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(
            RotatingFileHandler(
                file, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8", delay=True
            )
        )
    for handler in handlers:
        handler.setFormatter(KeyValueFormatter())
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)


def event(component: str, name: str, **facts: object) -> None:
    """One event and its facts; those that are None are left out."""
    logging.getLogger(component).info(_line(name, facts))


def record_event(name: str, record: Record, **facts: object) -> None:
    """One event in a record's life."""
    told = {"record": record.id, "batch": record.batch_id, "attempt": record.attempts, "model": record.model}
    event("worker", name, **told, **facts)


def exception(component: str, name: str, **facts: object) -> None:
    """What nobody foresaw, with the traceback of the exception at hand."""
    logging.getLogger(component).exception(_line(name, facts))


class Condition:
    """What lasts, such as a database that takes no writes: noted when it begins and when it ends.

    Any thread may say so, as often as it likes.
    """

    def __init__(self, room: str, *, begun: str, ended: str) -> None:
        self._room = room
        self._begun = begun
        self._ended = ended
        self._lock = threading.Lock()
        self._lasts = False

    def begin(self, why: str) -> None:
        """It is so, for this reason."""
        with self._lock:
            if not self._lasts:
                self._lasts = True
                event(self._room, self._begun, why=why)

    def end(self) -> None:
        """It is not so."""
        if not self._lasts:
            return
        with self._lock:
            if self._lasts:
                self._lasts = False
                event(self._room, self._ended)


class KeyValueFormatter(logging.Formatter):
    """One line for everything, tracebacks too; keys and what follows a ``?`` are cut out."""

    def format(self, record: logging.LogRecord) -> str:
        """``2026-11-24T19:30:01.123+0800 info worker event=kept record=3``."""
        moment = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}"
        zone = self.formatTime(record, "%z")
        text = f"{moment}{zone} {record.levelname.lower()} {record.name} {record.getMessage()}"
        if record.exc_info:
            text += f" trace={json.dumps(self.formatException(record.exc_info), ensure_ascii=False)}"
        return _HIDDEN.sub("…", " ".join(text.splitlines()))


def _line(event: str, facts: Mapping[str, object]) -> str:
    told = {"event": event} | {name: fact for name, fact in facts.items() if fact is not None}
    return " ".join(f"{name}={_value(fact)}" for name, fact in told.items())


def _value(fact: object) -> str:
    """As it is when it is plain; else quoted, so that a line stays a line and a value a value."""
    text = f"{fact:.3f}".rstrip("0").rstrip(".") if isinstance(fact, float) else str(fact)
    plain = text and not re.search(r'[\s="\\]', text) and text.isprintable()
    return text if plain else json.dumps(text, ensure_ascii=False)
