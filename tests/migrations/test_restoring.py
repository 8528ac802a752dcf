"""A backup that was chosen on the page takes the place of the database at the next start."""

from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec
from app.engine.sqlite import damage_text
from app.env_file import EnvFile
from app.migrations.restoring import staged_restore
from app.worker.backups import Backups
from tools import orders
from web_app import create_app

pytestmark = pytest.mark.sqlite


def prompts(path: Path) -> list[str]:
    with closing(database.connect(path)) as db:
        return [row["prompt"] for row in db.execute("SELECT prompt FROM generation_records ORDER BY id")]


class Restored:
    """A database with 「早」, a backup of it, and 「晚」 since."""

    def __init__(self, settings: Settings, spec: ModelSpec) -> None:
        self.settings, self.path, self.spec = settings, settings.database_path, spec
        self.client = self.start()
        self.batch_id = self.order("早")
        self.backup = Backups(settings).make()
        self.order("晚")

    def start(self) -> FlaskClient:
        env_file = EnvFile(self.path.with_name(".env"), {})
        return create_app(self.settings, env_file=env_file).test_client()

    def order(self, prompt: str) -> str:
        with closing(database.connect(self.path)) as db:
            requests = [ImageRequest(prompt=prompt)]
            return orders.add_batch(db, requests, models=Models([self.spec]), stems=[prompt])[0]

    def choose(self, status: int = 200, *, name: str | None = None) -> str:
        form = {"name": (self.backup.name if self.backup else "") if name is None else name}
        answer = self.client.post("/model/restore", data=form, follow_redirects=True)
        assert answer.status_code == status
        return answer.text


@pytest.fixture
def restored(settings: Settings, spec: ModelSpec) -> Restored:
    return Restored(settings, spec)


def test_it_is_restored_paused_at_the_next_start_and_the_present_one_is_kept(restored: Restored) -> None:
    assert "选好了，重新启动后恢复" in restored.choose()
    assert prompts(restored.path) == ["早", "晚"]
    restored.order("更晚")
    restored.start()
    assert prompts(restored.path) == ["早"]
    with closing(database.connect(restored.path)) as db:
        assert database.get_batch(db, restored.batch_id).status is BatchStatus.PAUSED
    newest = Backups(restored.settings).list()[0]
    restored.choose(name=newest.name)
    restored.start()
    assert prompts(restored.path) == ["早", "晚", "更晚"]
    assert not staged_restore(restored.path).exists()


def test_it_can_be_taken_back_before_the_restart(restored: Restored) -> None:
    restored.choose()
    assert "选好了" not in restored.choose(name="")
    restored.start()
    assert prompts(restored.path) == ["早", "晚"]


def test_nothing_is_restored_while_another_process_has_the_database_open(
    restored: Restored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.engine.connection.BUSY_SECONDS", 0.1)
    restored.choose()
    with closing(database.connect(restored.path)) as other:
        other.execute("SELECT 1 FROM generation_records").fetchone()
        restored.start()
    assert "没有恢复备份" in capsys.readouterr().err
    assert prompts(restored.path) == ["早", "晚"]
    restored.start()
    assert prompts(restored.path) == ["早"]


def test_a_damaged_database_is_moved_aside_and_the_backup_restored(restored: Restored) -> None:
    assert restored.backup
    assert f"backups/{restored.backup.name}" in str(damage_text(restored.path, "defekt"))
    with restored.path.open("r+b") as file:
        file.write(b"\xff" * 20_000)
    restored.choose()
    restored.start()
    assert prompts(restored.path) == ["早"]
    assert len([*restored.path.parent.glob("*.replaced-????????-??????")]) == 1


def test_a_start_that_was_killed_half_way_is_continued_by_the_next(restored: Restored) -> None:
    restored.choose()
    wal = restored.path.with_name(f"{restored.path.name}-wal")
    with closing(database.connect(restored.path)) as other:
        other.execute("SELECT 1 FROM generation_records").fetchone()
        restored.order("更晚")
        left = wal.read_bytes()  # as a process that is killed leaves it
    restored.path.rename(restored.path.with_name("elsewhere"))
    wal.write_bytes(left)
    restored.start()
    assert prompts(restored.path) == ["早"]


def test_a_backup_that_is_damaged_or_gone_is_refused(restored: Restored) -> None:
    assert restored.backup
    restored.choose(404, name="../generation_records.db")
    restored.backup.write_bytes(restored.backup.read_bytes()[:5000])
    assert "这份备份不能用" in restored.choose(500)
    assert not staged_restore(restored.path).exists()


def test_a_backup_is_downloaded_whole_and_comes_back_from_the_folder(restored: Restored) -> None:
    assert restored.backup
    kept = restored.backup.read_bytes()
    answer = restored.client.get(f"/model/backups/{restored.backup.name}")
    assert answer.data == kept
    assert restored.backup.name in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    answer.close()
    restored.backup.unlink()
    assert restored.client.get(f"/model/backups/{restored.backup.name}").status_code == 404
    restored.backup.write_bytes(kept)
    assert "选好了，重新启动后恢复" in restored.choose()


@pytest.mark.parametrize("name", ["generation_records.db", "..%2Fgeneration_records.db", ".lock"])
def test_no_other_file_is_downloaded(restored: Restored, name: str) -> None:
    assert restored.client.get(f"/model/backups/{name}").status_code == 404


def test_who_may_not_change_settings_restores_and_downloads_nothing(restored: Restored) -> None:
    assert restored.backup
    far = {"REMOTE_ADDR": "10.0.0.9"}
    answer = restored.client.post("/model/restore", data={"name": "x"}, environ_base=far)
    assert answer.status_code == 403
    answer = restored.client.get(f"/model/backups/{restored.backup.name}", environ_base=far)
    assert answer.status_code == 403
