"""Orders as tests and bench place them: rows that are read already, and records by their ids."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import database
from app.domain import Changes, ImageRequest, Models, RowExtras
from app.orders.doors import NewBatch
from app.orders.place import BatchOptions, Placed, place
from app.orders.plan import OrderRow
from app.orders.repeats import Refetch, Resubmit, Retry, Uncancel


def new_batch(
    requests: Sequence[ImageRequest],
    *,
    models: Models,
    stems: Sequence[str],
    is_taken: Callable[[str], bool] = lambda _stem: False,
    key: database.RequestKey | None = None,
    row_numbers: Sequence[int] = (),
    skips: Sequence[bool] = (),
    extras: Sequence[RowExtras] = (),
    **options: Any,
) -> NewBatch:
    """A batch of these requests, to be placed. Sequences have one item per request."""
    accepted = [models.accept(request) for request in requests]
    numbers = row_numbers or range(1, len(accepted) + 1)
    rows = [
        OrderRow(
            number=numbers[index],
            request=request,
            numbers=range(1, request.num_images + 1),
            stem=stems[index],
            extras=extras[index] if extras else RowExtras(),
            skips=skips[index] if skips else False,
        )
        for index, request in enumerate(accepted)
    ]
    return NewBatch(
        models=models, key=key, is_taken=is_taken, read_rows=lambda: rows, options=BatchOptions(**options)
    )


def add_batch(
    db: database.Connection, requests: Sequence[ImageRequest], **fields: Any
) -> tuple[str, list[int]]:
    """Queue these requests as a batch; see ``new_batch`` -> its id, and those of its records."""
    placed = place(db, new_batch(requests, **fields))
    return placed.batch_id, placed.ids


def retry(
    db: database.Connection,
    batch_id: str,
    ids: Sequence[int] | None = None,
    *,
    models: Models,
    key: database.RequestKey | None = None,
    changes: Mapping[int, Changes] | None = None,
    skips: bool = False,
) -> Placed:
    """Retry records of a batch."""
    order = Retry(models=models, key=key, batch_id=batch_id, ids=ids, changes=changes or {}, skips=skips)
    return place(db, order)


def uncancel(
    db: database.Connection,
    batch_id: str,
    ids: Sequence[int] | None = None,
    *,
    models: Models,
    pauses: bool = False,
    skips: bool = False,
) -> Placed:
    """Queue cancelled records of a batch again."""
    return place(db, Uncancel(models=models, batch_id=batch_id, ids=ids, pauses=pauses, skips=skips))


def refetch(db: database.Connection, ids: Sequence[int] | None, *, models: Models) -> Placed:
    """Fetch records of unknown outcome again."""
    return place(db, Refetch(models=models, ids=ids))


def resubmit(
    db: database.Connection,
    ids: Sequence[int] | None,
    *,
    models: Models,
    key: database.RequestKey | None = None,
) -> Placed:
    """Submit records of unknown outcome again."""
    return place(db, Resubmit(models=models, ids=ids, key=key))
