"""The face of everything kept in SQLite: records, batches, the ledger of sends.

The rooms of ``storage/`` behind it are the only ones that know sqlite3. One connection per request or
worker thread; every function takes it first, as ``db``.
"""

from sqlite3 import Connection

from storage.batches import (
    add_batch,
    cancel_batch,
    count_open_work,
    get_batch,
    get_batch_version,
    get_paused_reason,
    list_batch_records,
    list_batches,
    list_log,
    pause_batch,
    resume_batch,
)
from storage.connection import connect, last_version, open_database, snapshot, transaction
from storage.finding import SORTS, RecordFilter, count_kinds, count_records, list_record_ids
from storage.ledger import BudgetReached, add_send, committed, keep_ticket
from storage.queue import (
    claim_record,
    extend_leases,
    fail_record,
    finish_record,
    has_claimable,
    pause_other_models,
    requeue_record,
    retry_records,
    settle_lapsed,
)
from storage.records import (
    Chosen,
    delete_records,
    delete_undoably,
    empty_trash,
    get_record,
    get_record_or_none,
    list_chosen,
    list_neighbours,
    list_page,
    list_records,
    list_records_of_file,
    list_single_records,
    mark_favourite,
    restore_records,
    undo_delete,
)
from storage.search import index_progress, index_prompts

__all__ = [
    "SORTS",
    "BudgetReached",
    "Chosen",
    "Connection",
    "RecordFilter",
    "add_batch",
    "add_send",
    "cancel_batch",
    "claim_record",
    "committed",
    "connect",
    "count_kinds",
    "count_open_work",
    "count_records",
    "delete_records",
    "delete_undoably",
    "empty_trash",
    "extend_leases",
    "fail_record",
    "finish_record",
    "get_batch",
    "get_batch_version",
    "get_paused_reason",
    "get_record",
    "get_record_or_none",
    "has_claimable",
    "index_progress",
    "index_prompts",
    "keep_ticket",
    "last_version",
    "list_batch_records",
    "list_batches",
    "list_chosen",
    "list_log",
    "list_neighbours",
    "list_page",
    "list_record_ids",
    "list_records",
    "list_records_of_file",
    "list_single_records",
    "mark_favourite",
    "open_database",
    "pause_batch",
    "pause_other_models",
    "requeue_record",
    "restore_records",
    "resume_batch",
    "retry_records",
    "settle_lapsed",
    "snapshot",
    "transaction",
    "undo_delete",
]
