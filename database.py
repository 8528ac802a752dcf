"""The face of everything kept in SQLite: records, batches, the ledger of sends.

The rooms of ``storage/`` behind it are the only ones that know sqlite3. One connection per request or
worker thread; every function takes it first, as ``db``.
"""

from sqlite3 import Error

from storage.batch_log import count_log, list_log
from storage.batches import (
    add_batch,
    count_batches,
    count_open_work,
    get_batch,
    get_batch_version,
    get_paused_reason,
    list_batch_records,
    list_batches,
    list_paused_reasons,
    pause_batch,
    resume_batch,
)
from storage.cancelling import Cancelled, cancel_batch, cancel_record, uncancel_records
from storage.connection import connect, last_version, open_database, snapshot, transaction
from storage.doubt import (
    Done,
    Settled,
    collect_records,
    count_doubts,
    drop_records,
    list_doubts,
    order_again,
    undo_drop,
)
from storage.finding import (
    NEWEST,
    OLDEST,
    RecordFilter,
    count_kinds,
    count_records,
    list_id_portions,
    list_record_ids,
)
from storage.guard import StoreGuard
from storage.health import is_healthy
from storage.ledger import (
    BatchAtRest,
    BudgetReached,
    ClaimLost,
    add_send,
    check_affordable,
    committed,
    is_free_order,
    keep_ticket,
)
from storage.library import (
    CopyCounts,
    add_earlier_copies,
    add_output_copy,
    count_output_copies,
    count_reference_uses,
    find_output_copy,
    finish_output_copy,
    get_output_copy,
    hurry_output_copies,
    is_reference_used,
    pin_references,
    retry_output_copy,
)
from storage.opened import OpenConnection as Connection
