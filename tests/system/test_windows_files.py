"""Windows file semantics, simulated: files locked by other programs, and long paths."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain import ImageRequest
from app.errors import InvalidRequest, StorageError
from app.images import atomic_write, store
from app.images.filenames import filename_for
from app.images.metadata import format_parameters
from app.library.catalogue import filename_in
from app.library.local import LocalLibrary
from app.system import windows_files
from app.worker.availability import DiskLow, DiskSpace
from tests.images.test_store import fail_with, names, save
from tests.locked_files import lock_files, sharing_violation
from tools.noise_images import noise_image


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The delays asked for, without waiting; other threads sleep as they do."""
    delays: list[float] = []
    monkeypatch.setattr(windows_files, "time", SimpleNamespace(sleep=delays.append))
    return delays


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are published as on Windows: by a rename that never overwrites."""
    rename_file = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if target.exists():
            raise FileExistsError(errno.EEXIST, "文件已存在", str(path), None, str(target))
        return rename_file(path, target)

    class System:
        name = "nt"

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(atomic_write, "os", System())
    monkeypatch.setattr(windows_files, "os", System())


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_briefly_locked_file_is_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float], winerror: int
) -> None:
    lock_files(monkeypatch, "replace", times=3, winerror=winerror)
    (tmp_path / "a").write_bytes(b"whole")
    windows_files.replace(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["b"]
    assert len(delays) == 3
    assert delays == sorted(delays)


def test_retries_end_after_about_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float]
) -> None:
    lock_files(monkeypatch, "unlink")
    with pytest.raises(PermissionError):
        windows_files.unlink(tmp_path / "a")
    assert 4 < sum(delays) < 6


@pytest.mark.parametrize("problem", [PermissionError(errno.EACCES, "no"), OSError(errno.ENOSPC, "full")])
def test_other_errors_are_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float], problem: OSError
) -> None:
    monkeypatch.setattr(Path, "replace", fail_with(problem))
    with pytest.raises(OSError, match=str(problem.strerror)):
        windows_files.replace(tmp_path / "a", tmp_path / "b")
    assert delays == []


def test_a_read_only_folder_is_not_reported_as_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float]
) -> None:
    monkeypatch.setattr(Path, "open", fail_with(sharing_violation("x.part", winerror=5)))
    with pytest.raises(StorageError, match="没有权限写入"):
        save(tmp_path)
    assert delays == []


def test_the_message_names_a_file_that_has_no_other_name() -> None:
    assert "文件「狗.png」正被" in str(windows_files.locked_message(sharing_violation("C:/x/狗.png")))


@pytest.mark.usefixtures("on_windows")
@pytest.mark.parametrize("verb", ["rename", "replace"])
def test_a_paid_image_survives_a_virus_scanner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float], verb: str
) -> None:
    content = noise_image("png")
    lock_files(monkeypatch, verb, times=4)
    assert save(tmp_path, content).filename == "猫.png"
    assert (tmp_path / "猫.png").read_bytes() == content
    assert names(tmp_path) == [".thumbnails/0/1.webp", "猫.png"]
    assert len(delays) == 4


@pytest.mark.usefixtures("on_windows", "delays")
@pytest.mark.parametrize(("verb", "name"), [("rename", "猫.png"), ("replace", "1.webp")])
def test_an_image_whose_name_stays_locked_leaves_nothing_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, name: str
) -> None:
    with monkeypatch.context() as patched:
        lock_files(patched, verb)
        with pytest.raises(StorageError, match=f"「{name}」正被另一个程序占用"):
            save(tmp_path)
    assert names(tmp_path) == []
    assert save(tmp_path).filename == "猫.png"


@pytest.mark.usefixtures("on_windows")
def test_an_existing_file_is_never_overwritten_on_windows(tmp_path: Path, delays: list[float]) -> None:
    (tmp_path / "猫.png").write_bytes(b"the user's own")
    saved = save(tmp_path)
    assert saved.filename == "猫-2.png"
    with atomic_write.temp_file(tmp_path, [b"x"]) as part, pytest.raises(FileExistsError):
        windows_files.publish(part, tmp_path / "猫.png")
    assert (tmp_path / "猫.png").read_bytes() == b"the user's own"
    assert delays == []


@pytest.mark.usefixtures("delays")
def test_a_locked_temporary_file_does_not_undo_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        lock_files(patched, "unlink", which=".part")
        assert save(tmp_path).filename == "猫.png"
    assert store.remove_part_files(tmp_path, older_than=0) > 0
    assert names(tmp_path) == [".thumbnails/0/1.webp", "猫.png"]


def test_one_locked_temporary_file_does_not_block_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float]
) -> None:
    for digit in "0123":
        (tmp_path / f".{digit * 16}.part").write_bytes(b"half a pict")
    with monkeypatch.context() as patched:
        lock_files(patched, "unlink", which="2" * 16)
        assert store.remove_part_files(tmp_path, older_than=0) == 3
    assert delays == []
    assert names(tmp_path) == [f".{'2' * 16}.part"]


def test_a_folder_that_cannot_be_synced_does_not_undo_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", fail_with(PermissionError(errno.EACCES, "Permission denied")))
    windows_files.sync_folder(tmp_path)


@pytest.mark.usefixtures("on_windows")
def test_a_reference_that_stays_locked_keeps_its_name_and_is_deleted_once_unlocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float]
) -> None:
    folder = LocalLibrary(tmp_path)
    image = folder.add(store.validate_upload("猫", noise_image("png")))
    before = names(tmp_path)
    with monkeypatch.context() as patched:
        lock_files(patched, "rename", ending=".png")
        with pytest.raises(StorageError, match=r"文件「狗-96x64-[0-9a-f]{12}\.png」正被另一个程序占用"):
            folder.rename(image.key, "狗")
    assert names(tmp_path) == before
    delays.clear()
    lock_files(monkeypatch, "replace", times=2)
    folder.delete(image.key)
    assert len(delays) == 2
    assert (tmp_path / ".trash" / image.key).is_file()


def test_one_locked_reference_does_not_block_purging_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delays: list[float]
) -> None:
    folder = LocalLibrary(tmp_path)
    for name in "甲乙丙":
        key = folder.add(store.validate_upload(name, noise_image("png"))).key
        folder.delete(key)
        os.utime(tmp_path / ".trash" / key, (1_000, 1_000))
    with monkeypatch.context() as patched:
        lock_files(patched, "unlink", which="乙")
        assert folder.empty_trash(days=30, is_used=lambda _: False) == 2
    assert [name[0] for name in os.listdir(tmp_path / ".trash")] == ["乙"]  # noqa: PTH208
    assert folder.empty_trash(days=30, is_used=lambda _: False) == 1
    assert delays == []


@pytest.fixture
def shallow() -> Iterator[Path]:
    """A folder with a short path, unlike those of the tests."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def deep(shallow: Path, units: int) -> Path:
    """A folder whose path has this length."""
    folder = shallow
    while (missing := units - len(str(folder)) - 1) > 60:
        folder /= "深" * min(60, missing - 2)
    folder /= "浅" * missing
    assert len(str(folder)) == units
    return folder


@pytest.fixture
def short_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Path lengths are limited as on Windows."""
    monkeypatch.setattr(windows_files, "_is_windows", lambda: True)


@pytest.mark.usefixtures("short_paths")
@pytest.mark.parametrize("sign", ["a", "猫", "😀", "👨‍👩‍👧", "é"])
@pytest.mark.parametrize("units", [80, 150, 204])
def test_no_image_path_exceeds_the_windows_limit(shallow: Path, units: int, sign: str) -> None:
    folder = deep(shallow, units)
    stem = filename_for(folder, sign * 200, "提示词")
    for end in ("_10-99999", "_10-99999", ""):
        filename = save(folder, stem=stem + end).filename
        assert filename.startswith(sign)
        assert windows_files.utf16_length(str(folder / filename)) < 250
    longest = max(windows_files.utf16_length(str(path)) for path in folder.rglob("*"))
    assert longest < 250
    assert windows_files.utf16_length(stem) >= 30 - windows_files.utf16_length(sign) or stem == sign * 200


@pytest.mark.usefixtures("short_paths")
def test_a_reserved_number_stays_at_the_end_of_the_longest_name(shallow: Path) -> None:
    folder = deep(shallow, 200)
    stem = filename_for(folder, "a" * 200, "")
    assert save(folder, stem=f"{stem}_10").filename == f"{stem}_10.png"
    first, second = (save(folder, stem="b" * 200).filename for _ in range(2))
    assert (len(first), first[-5:]) == (249 - 201 - 1, "b.png")
    assert (len(second), second[-7:]) == (249 - 201 - 1, "b-2.png")


@pytest.mark.usefixtures("short_paths")
def test_an_image_with_a_shortened_name_is_found_after_a_crash(shallow: Path) -> None:
    folder = deep(shallow, 200)
    text = format_parameters(ImageRequest(prompt="猫"), None, "m", 1, 5)
    saved = save(folder, stem="猫" * 70, embed=text)
    assert store.find_saved(folder, stem="猫" * 70, record_id=1, prompt="猫") == saved


@pytest.mark.usefixtures("short_paths")
def test_a_folder_too_deep_for_any_image_is_reported_before_submission(
    shallow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = deep(shallow, 205)
    disk = DiskSpace((folder, shallow))
    with pytest.raises(DiskLow, match="的路径有 205 个字，Windows 放不进图片，请换一个路径短的文件夹"):
        disk.require(1)
    assert not DiskSpace((deep(shallow, 203),), free=lambda _: 10**12).problem()
    monkeypatch.setattr(windows_files, "_takes_long_paths", lambda: True)
    assert not DiskSpace((folder,), free=lambda _: 10**12).problem()


def test_other_systems_have_no_path_limit(shallow: Path) -> None:
    folder = deep(shallow, 600)
    assert not DiskSpace((folder,), free=lambda _: 10**12).problem()
    assert save(folder, stem="a" * 200).filename == "a" * 200 + ".png"


@pytest.mark.usefixtures("short_paths")
def test_no_reference_path_exceeds_the_windows_limit(shallow: Path) -> None:
    folder_path = deep(shallow, 150)
    folder = LocalLibrary(folder_path)
    image = folder.add(store.validate_upload("a" * 180, noise_image("png")))
    folder.delete(image.key)
    folder.restore(image.key)
    assert filename_in(image.key).startswith("a" * 30)
    assert max(windows_files.utf16_length(str(path)) for path in folder_path.rglob("*")) < 250
    with pytest.raises(InvalidRequest, match="名字太长"):
        folder.rename(image.key, "b" * 100)
    assert filename_in(folder.rename(image.key, "短").key) == "短.png"


def test_a_too_long_path_is_reported_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_files(monkeypatch, "replace", winerror=206)
    with pytest.raises(StorageError, match="文件名太长"):
        save(tmp_path)


@pytest.mark.usefixtures("delays")
def test_a_thumbnail_in_use_is_not_rebuilt_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save(tmp_path)
    thumbnail = store.thumbnail_path(tmp_path, 1)
    before = thumbnail.read_bytes()
    thumbnail.unlink()

    def another_is_quicker(part: Path, target: Path) -> Path:
        target.write_bytes(before)
        raise sharing_violation(str(part), str(target), winerror=5)

    monkeypatch.setattr(Path, "replace", another_is_quicker)
    assert store.ensure_thumbnail(tmp_path, 1, saved.filename).read_bytes() == before
