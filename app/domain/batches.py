"""Batches and their logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from app.domain.records import Pick, Status
from app.errors import Message

MAX_ROWS_A_BATCH = 5_000
MAX_PICTURES_A_BATCH = 10_000
MAX_ROW_NUMBER = 9_999_999
MAX_BATCH_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWorkbook:
    """The imported file that a batch was submitted from; ``id`` is the SHA-256 of its content.

    ``notes`` say what cannot be carried through when the results are written into it.
    """

    id: str
    filename: str
    notes: Sequence[Message] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookFile:
    """An imported file: its content, the sheet that was read, and the number of its header row."""

    id: str
    filename: str
    sheet: str
    header_row: int
    content: bytes = field(repr=False)


class BatchStatus(StrEnum):
    """Status of a batch, derived from its records and its paused flag."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class PauseCause(StrEnum):
    """Why a batch is paused. OTHER: see the reason.

    LIMIT: the monthly limit of its person. KEY: wrong key, missing entitlement or empty account.
    """

    USER = "user"
    SAMPLE = "sample"
    STOP_RULE = "stop_rule"
    BUDGET = "budget"
    LIMIT = "limit"
    KEY = "key"
    NETWORK = "network"
    DISK = "disk"
    MODEL = "model"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchModel:
    """A model of a batch: its id, the number of its pictures, and CNY charged for them (None: unknown)."""

    model: str
    total: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records submitted together. Costs are CNY, None when a
    price in them is unknown; ``eta_seconds`` is extrapolated from the measured rate, or before its first
    picture from what the model took before. While it is queued, ``ahead`` counts the pictures of others that
    come first. ``retryable`` counts records that failed without a charge, ``picks`` those that a user chose.
    ``number_in_minute`` tells apart the batches without a name of one minute: it counts them from 1.
    ``paused_cause`` is empty unless it is paused. ``models`` are those of its records, most pictures first;
    ``table_id`` is the id of the table of its rows.
    """

    id: str
    name: str
    created_at: str
    status: BatchStatus
    paused_reason: Message
    total: int
    counts: Mapping[Status, int]
    cost: Decimal | None
    at_stake: Decimal | None
    estimated_cost: Decimal | None
    eta_seconds: int | None
    version: int
    source: str
    ahead: int = 0
    retryable: int = 0
    workbook: StoredWorkbook | None = None
    paused_cause: str = ""
    picks: Mapping[Pick, int] = field(default_factory=dict)
    models: Sequence[BatchModel] = ()
    table_id: str | None = None
    number_in_minute: int = 1

    @property
    def done(self) -> int:
        """Number of pictures in a final state."""
        return self.total - sum(self.counts[each] for each in (Status.HELD, Status.QUEUED, Status.RUNNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a batch's log; ``level`` is info, warning or error."""

    at: str
    level: str
    text: Message
    record_id: int | None
