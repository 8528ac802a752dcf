"""Periodic jobs of the background threads: expired leases, search index, trash, copies in OSS.

Each call does one unit of work; starts no thread.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import database
from app import log
from app.errors import BucketError, DiskError, NotFound
from app.images import answers
from app.images import store as images_store
from app.library.library import Library
from app.library.output_backup import OutputBackup
from app.library.outputs import Outputs
from app.worker.availability import Availability
from app.worker.engines import Engines
from app.worker.saving import WITHOUT_IMAGE, Saving

_MAX_COPY_DELAY = 600.0
_TRASH_DAYS = 30
_TAKEN_BACK_AT_ONCE = 4


@dataclass(kw_only=True)
class Maintenance:
    """Every job may be repeated; its result says whether more work may be due now.

    ``finish`` marks a record successful whose image was found. ``crash_seen`` is set when a crashed process
    was noticed, whose temporary files remain.
    """

    engines: Engines
    library: Library
    outputs: Outputs
    output_backup: OutputBackup | None
    availability: Availability
    saving: Saving
    claimed_ids: list[int]
    finish: Callable[..., None]
    aborting: threading.Event
    crash_seen: threading.Event = field(default_factory=threading.Event)
    _locked: set[int] = field(default_factory=set)
    _logged: set[int] = field(default_factory=set)

    def index_records(self, db: database.Connection) -> bool:
        """Add some prompts to the search index."""
        return database.index_records(db) > 0 or database.merge_index(db)

    def reap_expired_leases(self, db: database.Connection) -> int:
        """End records whose lease expired; one whose picture is saved succeeds. Returns how many
        were ended or requeued without an image."""
        now = database.now(db)
        for record in database.list_reapable(db, now=now):
            if saved := self.saving.adopt(db, record):
                self.finish(db, record, saved)
            self.crash_seen.set()
        if database.has_stalled_of_other_models(db, models=self.engines.model_ids, now=now):
            self.engines.pause_others(db)
        return database.reap_stalled(db, now=now)

    def take_back(self, db: database.Connection) -> bool:
        """Find some pictures that were made after the copy that was restored -> whether any were looked for.

        Raises DiskError, BucketError.
        """
        records = database.list_looked_for(db, limit=_TAKEN_BACK_AT_ONCE)
        for record in records:
            if saved := self.saving.adopt(db, record):
                self.finish(db, record, saved, statuses=WITHOUT_IMAGE)
            else:
                database.note_lost(db, record)
        return bool(records)

    def adopt_from_oss(self, db: database.Connection) -> bool:
        """With OSS: end records whose lease expired, adopt what only this machine has -> whether OSS answers.
        Not for the heartbeat, as it may take longer than a lease. Decides nothing until it answers."""
        with suppress(BucketError):
            if self.outputs.in_oss and self.availability.watch_oss():
                self.reap_expired_leases(db)
                for record, saved in self.saving.leftovers(db, self.claimed_ids):
                    self.finish(db, record, saved, statuses=WITHOUT_IMAGE)
        return self.availability.watch_oss()

    def clean_up_after_crash(self) -> bool:
        """Remove temporary files after a crash was seen; returns whether there were any."""
        if not self.crash_seen.is_set():
            return False
        self.crash_seen.clear()
        return self.remove_part_files()

    def remove_part_files(self) -> bool:
        """Remove temporary files of writers that no longer run."""
        return images_store.remove_part_files(self.outputs.folder) > 0

    def empty_trash(self, db: database.Connection) -> int:
        """Delete some records that have been in the trash for 30 days, with their files -> how many.

        0 while the image folder or OSS is missing: the files would be left without a record. Files that
        another program has open are skipped until all others are deleted, then tried again.
        """
        while self.outputs.folder.is_dir() and not self.outputs.problem():
            known = len(self._locked)
            deleted = database.empty_trash(db, days=_TRASH_DAYS, remove=self._remove, exclude=self._locked)
            if deleted:
                return deleted
            if len(self._locked) == known:
                break
        self._locked.clear()
        return 0

    def _remove(self, filename: str, record_id: int, sha256: str) -> None:
        try:
            self.outputs.delete(record_id, filename, sha256)
        except DiskError:
            self._locked.add(record_id)
            if record_id not in self._logged:
                self._logged.add(record_id)
                log.event("worker", "delete_failed", record=record_id)
            raise

    def empty_library_trash(self, db: database.Connection) -> int:
        """Delete unused reference images that have been in the trash for 30 days -> how many."""
        is_used = partial(database.is_reference_used, db)
        return self.library.empty_trash(days=_TRASH_DAYS, is_used=is_used)

    def forget_request_keys(self, db: database.Connection) -> bool:
        """Delete expired request keys -> whether there were any."""
        return database.forget_request_keys(db, now=time.time()) > 0

    def forget_workbooks(self, db: database.Connection) -> bool:
        """Delete tables that were deleted 30 days ago, and files that nothing refers to after 7 days."""
        tables = database.forget_tables(db, now=datetime.now(UTC))
        return tables + database.forget_workbooks(db, now=datetime.now(UTC)) > 0

    def forget_notifications(self, db: database.Connection) -> bool:
        """Delete old notifications -> whether there were any."""
        return database.forget_notifications(db, now=time.time()) > 0

    def note_earlier_pictures(self, db: database.Connection) -> bool:
        """Queue copies of images that were finished while no bucket was configured."""
        database.reset_backoff(db)
        while database.add_earlier_copies(db) and not self.aborting.is_set():
            pass
        return True

    def settle_earlier_pictures(self, db: database.Connection) -> bool:
        """With ``OUTPUT_STORE=oss``: move the images copied before into the cache -> False when OSS failed.

        OSS is asked which it has: their copies may have been deleted there, as they were not needed.
        """
        earlier: dict[str, Path] = {}
        with suppress(OSError):
            for path in self.outputs.folder.iterdir() if self.outputs.in_oss else ():
                if key := database.find_output_copy(db, path.name):
                    earlier[key] = path
        try:
            for key, *_ in self.output_backup.list_all() if self.output_backup and earlier else ():
                if key in earlier and not self.aborting.is_set():
                    self.outputs.settle(earlier[key], key)
        except BucketError:
            return False
        return True

    def copy_output(self, db: database.Connection) -> bool:
        """Copy one finished image to OSS -> False when there was nothing to do or OSS failed.

        A missing file counts as deleted, unless the whole image folder is missing, or pictures are stored in
        OSS: another machine may have it then. A machine that has no earlier pictures leaves the queue alone.
        """
        copy, in_oss = database.get_output_copy(db, now=database.now(db)), self.outputs.in_oss
        if self.output_backup is None or copy is None or not self.outputs.folder.is_dir():
            return False
        if in_oss and not images_store.has_images(self.outputs.folder):
            return False
        try:
            path = images_store.open_output(self.outputs.folder, copy.filename)
            answer = answers.find(self.outputs.folder, copy.record_id)
            key = self.output_backup.upload(path, answer=answer)
        except NotFound as missing:
            if in_oss:
                not_before = database.now(db) + 5.0 * 2.0 ** min(copy.tries, 14)
                database.retry_output_copy(db, copy.record_id, error=missing.message, not_before=not_before)
                return True
            key = ""
        except BucketError as trouble:
            wait = min(5.0 * 2.0 ** min(copy.tries, 10), _MAX_COPY_DELAY)
            not_before = database.now(db) + (wait if trouble.transient else _MAX_COPY_DELAY)
            database.retry_output_copy(db, copy.record_id, error=trouble.message, not_before=not_before)
            return False
        database.finish_output_copy(db, copy.record_id, key=key)
        if in_oss:
            self.outputs.settle(path, key)
        return True
