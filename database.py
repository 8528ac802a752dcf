"""The public data API: records, batches and the ledger of charges, stored in SQLite or PostgreSQL.

Re-exports ``app.engine``, ``app.core`` and ``app.migrations``, which have all SQL of the core. One connection
per request or worker thread; every function takes it as its first argument, ``db``.
"""

from sqlite3 import Error

from app.core.attempts import Limit, forget_attempts, seconds_to_wait, start_attempt
from app.core.log import add_log, count_log, list_log
from app.core.money.budgets import BudgetReached, list_budgets, person_budget, set_budgets
from app.core.money.ledger import (
    BatchNotActive,
    LeaseLost,
    check_affordable,
    is_free_charge,
    list_differing_usage,
    open_charge,
    pause_over_budget,
    save_task_id,
    save_usage,
    withdraw_charge,
)
from app.core.money.unresolved import (
    Resolution,
    count_unresolved,
    list_unresolved,
    resolve_charges,
    undo_resolution,
)
from app.core.named import delete_named, list_named, save_named
from app.core.notices import (
    add_notification,
    claim_notification,
    end_notification,
    find_backup_failure,
    forget_notifications,
    note_backup_failed,
    retry_notification,
)
from app.core.orders.earlier import (
    HeldRows,
    RequestKey,
    count_charged_failures,
    count_pictures,
    find_answer,
    forget_request_keys,
    has_images_of_references,
    list_cancelled,
    list_failed,
    list_unknown,
    read_held,
    rows_of_roles,
    save_answer,
)
from app.core.orders.fingerprints import (
    complete_fingerprints,
    known_pictures,
    lacks_fingerprints,
    with_requested_seed,
)
from app.core.orders.orders import (
    FileName,
    RowColumns,
    WantedName,
    activate_batch,
    are_taken,
    cancel_bought,
    choose_names,
    count_added,
    count_released,
    insert_batch,
    insert_pictures,
    queue_records_again,
    reopen_held,
    requeue_as_they_are,
)
from app.core.pauses import (
    Pause,
    check_models,
    finish_if_done,
    list_pauses,
    pause_batch,
    pause_in_transaction,
    resume_batch,
    resume_in_transaction,
)
from app.core.people import (
    add_setting_change,
    find_earlier_user,
    find_person_of,
    find_picker,
    had_several_people,
    list_names,
    list_setting_changes,
    name_of_buyer,
    set_payer,
    shown_names,
)
from app.core.queue.cancellation import Cancelled, cancel_batch, cancel_held_of_changed, cancel_record
from app.core.queue.claim import claim_record, extend_leases, has_claimable
from app.core.queue.ends import (
    fail_record,
    finish_record,
    has_stalled_of_other_models,
    list_reapable,
    pause_other_models,
    reap_stalled,
    requeue_record,
)
from app.core.queue.fold import FOLD_SECONDS, fold_changes
from app.core.queue.runs import (
    NUMBER_IN_MINUTE,
    count_ahead,
    count_batches,
    count_open_work,
    find_workbook,
    get_batch,
    get_batch_version,
    list_batch_names,
    list_batch_records,
    list_batches,
)
from app.core.queue.workers import (
    count_running_by_model,
    find_statistics,
    forget_worker,
    list_queued_models,
    list_workers,
    open_wake_source,
    report_worker,
    store_statistics,
)
from app.core.records.copies import (
    CopyProgress,
    StoredFile,
    add_earlier_copies,
    count_output_copies,
    find_output_copy,
    find_stored_output,
    finish_output_copy,
    get_output_copy,
    list_stored_files,
    reset_backoff,
    retry_output_copy,
)
from app.core.records.filter import NEWEST, NOT_PICKED, OLDEST, OPEN, RecordFilter
from app.core.records.index import index_progress, index_records, merge_index
from app.core.records.query import (
    count_by_words,
    count_facets,
    count_kept,
    count_records,
    list_id_portions,
    list_record_ids,
)
from app.core.records.records import (
    EarlierPrompt,
    Selection,
    delete_records,
    delete_with_undo,
    get_record,
    get_record_or_none,
    is_reference_used,
    list_neighbours,
    list_options,
    list_own_columns,
    list_page,
    list_prompts,
    list_records,
    list_records_of_file,
    list_selected,
    list_siblings,
    list_single_records,
    records_of,
    restore_records,
    undo_delete,
)
from app.core.records.rows import PAYER, touch
from app.core.tables.changes import (
    get_change,
    list_changes,
    note_pictures,
    pick_records,
    picks_of,
    records_of_row,
    rows_showing,
    save_change,
    set_picks,
)
from app.core.tables.list import ListedTable, OpenRun, first_words, has_tables, list_tables, open_runs
from app.core.tables.pictures import (
    RowRepair,
    known_pictures_of,
    link_new_pictures,
    link_pictures,
    link_shared_pictures,
    linked_pictures,
    list_delivered_records,
    repair_rows,
    rows_bought_for,
)
from app.core.tables.rows import (
    add_table,
    add_table_workbook,
    copy_rows,
    forget_tables,
    get_table,
    insert_rows,
    insert_table,
    last_row,
    list_changed_rows,
    list_equal_rows,
    list_order,
    list_products,
    mark_table,
    newest_run,
    read_rows,
    row_ids_of,
    rows_to_check_again,
    rows_with_problem,
    table_of_batch,
    touch_rows,
    update_rows,
    update_table,
)
from app.core.tables.totals import KnownTotals, TableTotals, totals_of
from app.core.tables.workbooks import (
    add_workbook,
    batch_of_table,
    check_workbook,
    find_tables_of_file,
    forget_workbooks,
    get_workbook_file,
    sample_cells,
    workbook_cells,
)
from app.engine.connection import (
    Connection,
    Row,
    Storing,
    Target,
    last_version,
    next_version,
    now,
    read_transaction,
    transaction,
    until_stored,
)
from app.engine.guard import StoreGuard, lacking_connections, open_guard, require_writable
from app.engine.ngrams import find_spans, read_search
from app.engine.pool import ConnectionPool, connect
from app.engine.values import IN_IDS, SqlList, object_of, priced, yuan
from app.migrations import is_outdated, open_database, open_to_read
from app.migrations.backup import FoundPicture, back_up, dump, empty_trash, rebuild
from app.migrations.copy_to import Copied, CopyDiffers, copy_to
from app.migrations.restored import RESTORED, note_sent, pause_all, require_not_moved
from app.migrations.restoring import (
    Restored,
    find_restored,
    leave_off,
    list_looked_for,
    note_lost,
    stage_restore,
    staged_restore,
    take_back,
    take_over_restore,
)
