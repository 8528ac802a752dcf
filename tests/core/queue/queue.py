"""Batches, records and charges of tests, and short forms of what is read from them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import database
from app.config import Settings
from app.domain import BatchStatus, BudgetScope, ImageRequest, Models, Record, SavedImage, Status, fingerprint
from app.engine.sqlite import SqliteConnection
from app.errors import Billed, ModelError
from app.orders.doors import NewBatch
from app.orders.place import Placed, place
from tests.specs import ANY
from tools import orders

T = TypeVar("T")
NOW = 1_000_000.0
PRICE = Decimal("0.22")
MODELS = Models([ANY])
CAT, DOG = ImageRequest(prompt="猫"), ImageRequest(prompt="狗")
SAVED = SavedImage(filename="猫.png", width=2048, height=2048, format="png", file_size=9, sha256="ab")
KEY = database.RequestKey(key="k", digest="d", at=0.0)
REFUSED = ModelError("违规", cause="moderation", billed=Billed.NO)
LOST = ModelError("断了", cause="network", billed=Billed.UNKNOWN)
LATE = ModelError("太慢", cause="timeout", billed=Billed.UNKNOWN, task_valid=True)
BILLED = ModelError("坏了", cause="broken", billed=Billed.YES)


def spent(db: database.Connection) -> Decimal:
    """CNY of all charged, unknown and open charges."""
    return database.list_budgets(db, default=None)[BudgetScope.TOTAL].spent


def submission(*requests: ImageRequest, taken: str = "", **fields: Any) -> NewBatch:
    """Of these rows, or of a cat; their files are named 猫, but not ``taken``."""
    requests = requests or (CAT,)
    usual: dict[str, Any] = {
        "models": MODELS,
        "stems": ["猫"] * len(requests),
        "is_taken": lambda stem: stem == taken,
    }
    return orders.new_batch(requests, **(usual | fields))


def add(db: database.Connection, *requests: ImageRequest, **fields: Any) -> tuple[str, list[int]]:
    """A batch -> its id, and those of its records."""
    placed = place(db, submission(*requests, **fields))
    return placed.batch_id, placed.ids


def add_sample(
    db: database.Connection, *, rows: int = 6, sample: int = 2, pictures: int = 1, **fields: Any
) -> tuple[str, list[int]]:
    """A batch of equal rows, whose first and last ones are tried first."""
    return add(db, *[replace(CAT, num_images=pictures)] * rows, sample=sample, **fields)


def claim(db: database.Connection, now: float = NOW, model: str = ANY.model_id) -> Record | None:
    return database.claim_record(db, model=model, owner="me", now=now, lease=20.0)


def claimed(db: database.Connection, now: float = NOW, model: str = ANY.model_id) -> Record:
    record = claim(db, now, model)
    assert record is not None
    return record


def charge(
    db: database.Connection, record: Record, price: Decimal | None = PRICE, budget: Decimal | None = None
) -> None:
    database.open_charge(db, record, price=price, budget=budget)


def charged(
    db: database.Connection,
    now: float = NOW,
    *,
    price: Decimal | None = PRICE,
    budget: Decimal | None = None,
    is_free: bool = False,
) -> Record:
    """The next record, with an open charge."""
    record = claimed(db, now)
    database.open_charge(db, record, price=price, budget=budget, is_free=is_free)
    return record


def submitted(db: database.Connection, task_id: str = "t-1") -> Record:
    """The next record, with an open charge and a task id."""
    record = charged(db)
    database.save_task_id(db, record, task_id)
    return record


def make(db: database.Connection) -> int:
    """Finish the next record -> its id."""
    record = claimed(db)
    assert database.finish_record(db, record, replace(SAVED, filename=f"{record.id}.png"))
    return record.id


def fail(db: database.Connection, billed: Billed, price: Decimal | None = PRICE, task_id: str = "") -> int:
    """Submit the next record and let it fail -> its id."""
    record = charged(db, price=price)
    if task_id:
        database.save_task_id(db, record, task_id)
    error = ModelError("坏了", cause="broken", billed=billed, task_valid=bool(task_id))
    assert database.fail_record(db, record, error)
    return record.id


def end(db: database.Connection, *errors: ModelError | None) -> None:
    """End the next records with these errors, or with a picture (None)."""
    for error in errors:
        if error is None:
            make(db)
        else:
            database.fail_record(db, claimed(db), error)


def undo(db: database.Connection, batch_id: str, cancelled: database.Cancelled) -> int:
    """Undo this cancellation -> how many records are queued again."""
    paused, ids = cancelled.was_paused, [*cancelled.ids]
    return orders.uncancel(db, batch_id, ids, models=MODELS, pauses=paused).number


def retry(db: database.Connection, batch_id: str, ids: Sequence[int] | None = None, **more: Any) -> Placed:
    return orders.retry(db, batch_id, ids, models=MODELS, **more)


def set_fields(db: database.Connection, assignments: str, *ids: int) -> None:
    """Change records as another program does, all without ``ids``."""
    chosen = f"WHERE id IN ({', '.join(map(str, ids))})" if ids else ""
    db.execute(f"UPDATE generation_records SET {assignments} {chosen}")


def column(db: database.Connection, name: str, table: str = "generation_records") -> list[Any]:
    """The values of a column, by id."""
    return [row[name] for row in db.execute(f"SELECT {name} FROM {table} ORDER BY id")]


def stems(db: database.Connection) -> list[str]:
    return column(db, "reserved_stem")


def outcomes(db: database.Connection) -> list[str]:
    return column(db, "outcome", "charges")


def status_of(db: database.Connection, record_id: int) -> Status:
    return database.get_record(db, record_id).status


def statuses(db: database.Connection, ids: Sequence[int]) -> list[Status]:
    return [status_of(db, record_id) for record_id in ids]


def batch_status(db: database.Connection, batch_id: str) -> BatchStatus:
    return database.get_batch(db, batch_id).status


def cause(db: database.Connection, batch_id: str) -> str:
    """Why the batch is paused."""
    return database.get_batch(db, batch_id).paused_cause


def log(db: database.Connection, batch_id: str | None) -> list[str]:
    assert batch_id
    return [str(line.text) for line in database.list_log(db, batch_id)]


def fingerprint_of(request: ImageRequest) -> str:
    """Of the request at the model of the tests."""
    return fingerprint(replace(request, model=ANY.model_id))


def in_threads(settings: Settings, number: int, call: Callable[[database.Connection, int], T]) -> list[T]:
    """Call it in so many threads, each with its connection and its number -> the answers."""

    def run(each: int) -> T:
        with closing(database.connect(settings.database)) as own:
            return call(own, each)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@contextmanager
def ticks_of(db: database.Connection) -> Iterator[list[int]]:
    """One item for every thousand steps of SQLite's virtual machine within the block."""
    ticks: list[int] = []
    assert isinstance(db, SqliteConnection)
    db.set_progress_handler(lambda: ticks.append(1), 1000)
    yield ticks
    db.set_progress_handler(None, 0)
