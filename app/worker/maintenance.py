"""What the worker's quiet threads do, one turn a call: index, trash, the bucket's list, copies in OSS.

Part of the worker's room: starts no thread and waits for nobody.
"""

import time
from collections.abc import Callable
from functools import partial

import database
from app import log
from app.config import Settings
from app.errors import BucketError, NotFound, StorageError
from app.images import store as images_store
from app.library.library import Library
from app.library.output_backup import OutputBackup

_LONGEST_COPY_PAUSE = 600.0
_TRASH_DAYS = 30


class Maintenance:
    """Every turn may be repeated; what it returns says whether there may be more to do at once."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        copies: OutputBackup | None,
        *,
        store: database.StoreGuard,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._output_dir = settings.output_dir
        self._library = library
        self._copies = copies
        self._store = store
        self._complaint = ""
        self._is_stopping = is_stopping
        self._held: set[int] = set()
        self._told: set[int] = set()

    def watch_store(self, db: database.Connection) -> bool:
        """Whether the database can be worked with; the log says so when that changes."""
        complaint = self._store.watch(db)
        if complaint != self._complaint:
            self._complaint = complaint
            log.event("worker", "store_lost" if complaint else "store_found", why=complaint or None)
        return not complaint

    def check_store(self) -> bool:
        """The same; its pages are checked again when that is due."""
        self._store.check()
        return not self._store.complaint()

    def index_prompts(self, db: database.Connection) -> bool:
        """Bring some prompts into the index."""
        return database.index_prompts(db) > 0 or database.merge_index(db)

    def remove_part_files(self) -> bool:
        """Remove half-written files of writers that are gone."""
        return images_store.remove_part_files(self._output_dir) > 0

    def empty_trash(self, db: database.Connection) -> int:
        """Delete for good some of what has been in the trash for 30 days, with its files -> how many.

        None while the folder of pictures is away: the files would stay behind without a record. What cannot
        be removed, for somebody has it open, is passed over until all else is gone, then tried again.
        """
        while self._output_dir.is_dir():
            known = len(self._held)
            gone = database.empty_trash(db, days=_TRASH_DAYS, remove=self._remove, apart=self._held)
            if gone:
                return gone
            if len(self._held) == known:
                break
        self._held.clear()
        return 0

    def _remove(self, filename: str, record_id: int) -> None:
        try:
            images_store.delete_picture(self._output_dir, filename, record_id)
        except StorageError:
            self._held.add(record_id)
            if record_id not in self._told:
                self._told.add(record_id)
                log.event("worker", "not_removed", record=record_id)
            raise

    def empty_library_trash(self, db: database.Connection) -> int:
        """The same for reference images in the folder that no record used -> how many."""
        return self._library.empty_trash(days=_TRASH_DAYS, is_used=partial(database.is_reference_used, db))

    def forget_request_keys(self, db: database.Connection) -> bool:
        """Delete the request keys that are too old to count -> whether there were any."""
        return database.forget_request_keys(db, now=time.time()) > 0

    def refresh_library(self) -> bool:
        """Read the list of the bucket anew, copy there what was chosen; as far as it is wanted."""
        self._library.refresh_if_requested()
        return True

    def note_earlier_pictures(self, db: database.Connection) -> bool:
        """What was finished while there was no bucket is to be copied too."""
        database.reset_backoff(db)
        while database.add_earlier_copies(db) and not self._is_stopping():
            pass
        return True

    def copy_output(self, db: database.Connection) -> bool:
        """Bring one finished picture into OSS -> False when there was nothing to do or OSS would not.

        What is missing while its folder is there is gone; while the folder is away, nothing is.
        """
        copy = database.get_output_copy(db, now=time.time())
        if self._copies is None or copy is None or not self._output_dir.is_dir():
            return False
        try:
            key = self._copies.keep(images_store.open_output(self._output_dir, copy.filename))
        except NotFound:
            key = ""
        except BucketError as trouble:
            wait = min(5.0 * 2.0 ** min(copy.tries, 10), _LONGEST_COPY_PAUSE)
            not_before = time.time() + (wait if trouble.transient else _LONGEST_COPY_PAUSE)
            database.retry_output_copy(db, copy.record_id, error=trouble.message, not_before=not_before)
            return False
        database.finish_output_copy(db, copy.record_id, key=key)
        return True
