"""The data folders: created and writable before the start, or reported by their setting.

Missing drives and read-only folders are simulated: root may write everywhere.
"""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.errors import SettingError
from app.system import folders
from tools.server_process import ServerProcess

FOLDERS = ("database_path", "output_dir", "samples_dir")


def refusal(settings: Settings) -> str:
    with pytest.raises(SettingError) as caught:
        folders.ensure_writable(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_folders_are_created_and_left_empty(settings: Settings, tmp_path: Path) -> None:
    configured = replace(settings, output_dir=tmp_path / "a/b/图片", database_path=tmp_path / "data/x.db")
    for _ in range(2):
        folders.ensure_writable(configured)
    assert configured.output_dir.is_dir()
    assert sorted(tmp_path.glob("**/*")) == sorted(
        tmp_path / name for name in ("a", "a/b", "a/b/图片", "data", "samples")
    )


@pytest.mark.parametrize("name", ["output_dir", "samples_dir"])
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_place_of_a_folder_is_reported(settings: Settings, name: str, below: str) -> None:
    getattr(settings, name).write_text("a file")
    message = refusal(replace(settings, **{name: getattr(settings, name) / below}))
    assert message.startswith(f"{name.upper()}：「")
    assert "不是文件夹" in message


@pytest.mark.sqlite
def test_a_folder_in_place_of_the_database_is_reported(settings: Settings) -> None:
    settings.database_path.mkdir()
    assert refusal(settings).startswith("DATABASE_PATH：「")


@pytest.mark.sqlite
def test_a_read_only_database_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.database_path.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "只读" in refusal(settings)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(errno.ENOENT, "系统找不到指定的路径。"), "检查磁盘是否还连着"),
        (PermissionError(errno.EACCES, "denied"), "不能写入"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ],
)
def test_a_folder_that_cannot_be_created_is_reported_by_its_setting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, error: OSError, expected: str
) -> None:
    missing = Path("/gone") / "x.db"
    make = Path.mkdir

    def mkdir(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if self.is_relative_to("/gone"):
            raise error
        make(self, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    changed: dict[str, Any] = {name: missing}
    message = refusal(replace(settings, **changed))
    assert message.startswith(f"{name.upper()}：「")
    assert expected in message


def test_a_full_disk_does_not_prevent_the_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    folders.ensure_writable(settings)
    assert settings.output_dir.is_dir()


def test_an_unusable_folder_stops_the_start_with_one_sentence_and_no_database(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file")
    message = ServerProcess(tmp_path, output_dir=tmp_path / "pictures").refuses_to_start()
    assert message.startswith("OUTPUT_DIR：")
    assert message.count("\n") == 1
    assert not (tmp_path / "generation_records.db").exists()
