"""The list of charges beside a SQLite file, which tells an older copy of it; images that are not used."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import database
from app.domain import BatchStatus, GeneratedImage, Record, Status
from app.engine.sqlite import SqliteConnection
from app.images import store
from app.images.metadata import format_parameters
from tests.core.queue.queue import set_fields
from tests.harness import Harness, crash_at
from tools.fakes.images import make_image
from tools.fakes.service import Call
from tools.server_process import ServerProcess

pytestmark = pytest.mark.sqlite


def beside(harness: Harness) -> Path:
    path = harness.settings.database_path
    return path.with_name(f"{path.name}.charges")


def copy_of(harness: Harness) -> sqlite3.Connection:
    assert isinstance(harness.db, SqliteConnection)
    copy = sqlite3.connect(":memory:")
    harness.db.backup(copy)
    return copy


def put_back(harness: Harness, copy: sqlite3.Connection) -> None:
    """Put the copy back while nothing runs, and start."""
    with closing(copy), closing(sqlite3.connect(harness.settings.database_path)) as target:
        copy.backup(target)
    database.open_database(harness.settings.database)
    harness.restart()


def is_paused(harness: Harness, batch_id: str | None) -> bool:
    """Whether the batch is, as one of a restored database."""
    assert batch_id
    batch = database.get_batch(harness.db, batch_id)
    return batch.status is BatchStatus.PAUSED and "重复付费" in str(batch.paused_reason)


def reap(harness: Harness) -> None:
    harness.worker.maintenance.reap_expired_leases(harness.db)


def test_an_older_copy_is_paused_once_and_its_ledger_completed(harness: Harness) -> None:
    batch_id, ids = harness.ask("猫", "狗", "鸟")
    copy = copy_of(harness)
    assert harness.step()
    harness.service.fail_next("reset")
    assert harness.step()
    put_back(harness, copy)
    assert is_paused(harness, batch_id)
    reap(harness)
    assert [harness.record(i).status for i in ids] == [Status.SUCCESS, Status.UNKNOWN, Status.QUEUED]
    assert harness.outcomes() == ["billed", "unknown"]
    database.resume_batch(harness.db, batch_id, models=["jimeng_t2i_v40"])
    database.open_database(harness.settings.database)
    assert not is_paused(harness, batch_id)
    while harness.step():
        pass
    assert [order.body["prompt"] for order in harness.service.submissions] == ["猫", "狗", "鸟"]


def test_an_image_on_disk_is_not_ordered_again_although_the_list_was_put_back_too(harness: Harness) -> None:
    harness.ask("猫", "狗")
    copy = copy_of(harness)
    assert harness.step()
    beside(harness).unlink()
    put_back(harness, copy)
    while harness.step():
        pass
    assert [order.body["prompt"] for order in harness.service.submissions] == ["猫", "狗"]
    assert harness.files() == ["狗.png", "猫.png"]


def test_a_row_of_another_database_with_the_same_id_is_not_touched(harness: Harness) -> None:
    harness.make("猫")
    harness.db.execute("DELETE FROM charges")
    harness.db.execute("UPDATE generation_records SET status = 'queued', batch_id = 'another'")
    database.open_database(harness.settings.database)
    assert (harness.record(1).status, harness.outcomes()) == (Status.QUEUED, [])


@pytest.mark.parametrize("name", ["note_sent", "save_task_id"])
def test_a_crash_is_not_taken_for_an_older_copy(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    batch_id, _ = harness.ask("猫", "狗")
    crash_at(harness, monkeypatch, where=database, name=name)
    database.open_database(harness.settings.database)
    assert database.get_batch(harness.db, batch_id).status is BatchStatus.RUNNING


def test_a_line_that_a_power_cut_left_incomplete_is_ignored(harness: Harness) -> None:
    harness.make("猫")
    with beside(harness).open("ab") as file:
        file.write(b'\n{"record_id": 7, "opened')
    harness.make("狗")
    batch_id, _ = harness.ask("鸟", "山")
    database.open_database(harness.settings.database)
    assert not is_paused(harness, batch_id)
    copy = copy_of(harness)
    assert harness.step()
    put_back(harness, copy)
    assert is_paused(harness, batch_id)


def test_the_list_stays_short(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for prompt in "猫狗鸟":
        harness.make(prompt)
    size = beside(harness).stat().st_size
    monkeypatch.setattr("app.migrations.restored._MAX_BYTES", size // 2)
    database.open_database(harness.settings.database)
    lines = beside(harness).read_bytes().splitlines()
    assert beside(harness).stat().st_size < size / 2 + 1
    assert json.loads(lines[-1])["record_id"] == 3


def test_a_list_that_cannot_be_written_is_logged_once_and_images_are_made(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    beside(harness).mkdir()
    for prompt in ("猫", "狗"):
        assert harness.make(prompt).status is Status.SUCCESS
    assert caplog.text.count("event=charge_not_noted") == 1
    assert "写不进去" in caplog.text


def test_a_list_that_cannot_be_read_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "generation_records.db.charges").mkdir()
    sentence = ServerProcess(tmp_path).refuses_to_start()
    assert sentence.count("\n") == 1
    assert "generation_records.db.charges" in sentence


def save_another(harness: Harness, record: Record) -> None:
    """Save another image of this record, as a second worker does."""
    text = format_parameters(record.request, None, record.model, record.id, 1)
    store.save_image(
        GeneratedImage(content=make_image(64, 64, number=9)),
        output_dir=harness.settings.output_dir,
        stem=record.reserved_stem,
        record_id=record.id,
        embed=text,
    )


def finish_it(harness: Harness, record: Record) -> None:
    """Cancel the record, as when somebody has written it off."""
    set_fields(harness.db, "status = 'cancelled'", record.id)


@pytest.mark.parametrize(
    ("meanwhile", "logged"), [(save_another, "drops_another=True"), (finish_it, "event=lease_lost")]
)
def test_a_received_image_that_is_not_used_is_logged(
    harness: Harness,
    caplog: pytest.LogCaptureFixture,
    meanwhile: Callable[[Harness, Record], None],
    logged: str,
) -> None:
    caplog.set_level("INFO")
    batch_id, ids = harness.ask("猫")

    def see(moment: str, call: Call) -> None:
        if moment == "arrived" and call.path.startswith("/pictures/"):
            with closing(database.connect(harness.settings.database)) as other:
                elsewhere = Harness(harness.settings, harness.service, other)
                meanwhile(elsewhere, elsewhere.record(ids[0]))

    harness.service.observer = see
    harness.step()
    assert "没有用上（猫.png）" in " ".join(
        str(line.text) for line in database.list_log(harness.db, batch_id)
    )
    assert logged in caplog.text
