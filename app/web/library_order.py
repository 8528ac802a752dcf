"""The orders in which the reference images can be listed."""

from collections.abc import Callable, Mapping
from typing import Any

import database
from app.library.catalogue import filename_in, names_of, natural_order
from app.web.services import connection

SORTS: Mapping[str, str] = {"newest": "新的在前", "name": "按文件名", "used": "用得多的在前"}


def rank_of(sort: str) -> Callable[[str], Any] | None:
    """What keys are sorted by, for ``Library.list_images``; None: newest first."""
    if sort == "name":
        return lambda key: natural_order(filename_in(key))
    if sort == "used":
        uses = database.count_uses_by_name(connection())
        return lambda key: -max((uses.get(name, 0) for name in names_of(key)), default=0)
    return None
