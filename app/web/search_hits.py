"""Where a search matches a record: marks in its texts, and the fields other than the prompt that match."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

import database
from app.domain import Record
from app.web.i18n import gettext

_BEFORE_HIT = 40  # characters shown before the first hit of a text that is cut
_MARK = Markup("<mark>{}</mark>")


def marked(text: str, words: Sequence[str], limit: int) -> Markup:
    """At most ``limit`` characters of a text, with the first of these normalised words; all are marked."""
    spans = database.find_spans(text, words) if words else []
    start = max(0, spans[0][0] - _BEFORE_HIT) if spans and spans[0][1] > limit else 0
    end = len(text) if len(text) - start <= limit else start + limit
    shown, at = Markup("…") if start else Markup(), start
    for first, last in spans:
        if last > at and first < end:
            shown += escape(text[at:first]) + _MARK.format(text[max(first, at) : min(last, end)])
            at = min(last, end)
    return shown + escape(text[at:end]) + ("…" if end < len(text) else "")


def other_hits(
    record: Record, words: Sequence[str], batch_name: str, *, is_named: bool = False
) -> Iterator[tuple[str, str]]:
    """(label, text) of the first fields with the words that the prompt lacks.

    ``is_named``: the list shows the file name and the batch with their marks, so they are left out.
    """
    missing = [word for word in words if not database.find_spans(record.prompt, [word])]
    names = (
        (gettext("文件名"), record.filename or record.requested_filename),
        (gettext("批次"), batch_name),
    )
    fields = ((gettext("负面提示词"), record.negative_prompt), *names, *record.columns.items())
    for field in fields:
        found = [word for word in missing if database.find_spans(field[1], [word])]
        if found and not (is_named and field in names):
            yield field
        missing = [word for word in missing if word not in found]
