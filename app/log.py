"""The log: one line an event, ``time level component event=… key=value …``, on stderr and in a file.

For operators; messages for users go to the batch log. Never logs prompts (or file names derived from
them), keys or signed URLs.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

from app.domain import KEY, Record

_FILE_BYTES = 5_000_000
_FILES_KEPT = 3
_HIDDEN = re.compile(rf"""(?<=\?)[^\s'"<>)]*=[^\s'"<>)]*|{KEY}""")


def init_logging(file: Path | None = None) -> None:
    """Send all logging to stderr and, if given, to a rotating file."""
    logging.raiseExceptions = False  # on a full disk, do not flood stderr with logging errors
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
    """Log one event with its key=value pairs; None values are left out."""
    logging.getLogger(component).info(_line(name, facts))


def record_event(name: str, record: Record, **facts: object) -> None:
    """Log one event of a record."""
    fields = {
        "record": record.id,
        "batch": record.batch_id,
        "attempt": record.attempts,
        "model": record.model,
    }
    event("worker", name, **fields, **facts)


def exception(component: str, name: str, **facts: object) -> None:
    """Log an unexpected exception with its traceback; call it from an ``except`` block."""
    logging.getLogger(component).exception(_line(name, facts))


class Condition:
    """A lasting condition, such as an unwritable database: logged once when it begins and when it ends.

    Thread-safe; repeated calls are ignored.
    """

    def __init__(self, component: str, *, begun: str, ended: str) -> None:
        self._component = component
        self._begun = begun
        self._ended = ended
        self._lock = threading.Lock()
        self.lasts = False

    def begin(self, why: str) -> None:
        """Log the beginning and its reason, unless it has already begun."""
        with self._lock:
            if not self.lasts:
                self.lasts = True
                event(self._component, self._begun, why=why)

    def end(self) -> None:
        """Log the end, if it had begun."""
        if not self.lasts:
            return
        with self._lock:
            if self.lasts:
                self.lasts = False
                event(self._component, self._ended)


class KeyValueFormatter(logging.Formatter):
    """Formats everything as one line, tracebacks too; removes keys and query strings."""

    def format(self, record: logging.LogRecord) -> str:
        """``2026-11-24T19:30:01.123+0800 info worker event=finished record=3``."""
        time = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}"
        zone = self.formatTime(record, "%z")
        text = f"{time}{zone} {record.levelname.lower()} {record.name} {record.getMessage()}"
        if record.exc_info:
            text += f" trace={json.dumps(self.formatException(record.exc_info), ensure_ascii=False)}"
        return _HIDDEN.sub("…", " ".join(text.splitlines()))


def _line(event: str, facts: Mapping[str, object]) -> str:
    values = {"event": event} | {name: fact for name, fact in facts.items() if fact is not None}
    return " ".join(f"{name}={_value(fact)}" for name, fact in values.items())


def _value(fact: object) -> str:
    """Plain text unquoted; anything else as a JSON string, so that the line can be parsed."""
    text = f"{fact:.3f}".rstrip("0").rstrip(".") if isinstance(fact, float) else str(fact)
    plain = text and not re.search(r'[\s="\\]', text) and text.isprintable()
    return text if plain else json.dumps(text, ensure_ascii=False)
