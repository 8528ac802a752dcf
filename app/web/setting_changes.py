"""Notes who changed settings, budgets or people: in the log, and for the page of settings."""

from collections.abc import Iterable
from contextlib import suppress

import database
from app import log
from app.errors import DatabaseError, Message, message
from app.web.middleware.login import current_person
from app.web.services import connection


def note_change(event: str, what: Message, **facts: object) -> None:
    """Log what was changed, without values of secrets, and store the sentence; a lost database only logs."""
    me = current_person()
    log.event("web", event, person=me.id, **facts)
    with suppress(DatabaseError, database.Error):
        database.add_setting_change(connection(), what, me.id)


def note_settings(names: Iterable[str]) -> None:
    """The same of these settings."""
    variables = tuple(names)
    what = message("设置：{names}", names=variables)
    if variables:
        note_change("settings_changed", what, variables=",".join(variables))
