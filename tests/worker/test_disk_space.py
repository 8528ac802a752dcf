"""Disk space: the fuller disk counts, more under way need more, and checks are cheap."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.worker.availability import LEAST_BYTES, MEGABYTE, DiskLow, DiskSpace, free_bytes


def space(**free: int) -> DiskSpace:
    return DiskSpace([Path(name) for name in free], free=lambda folder: free[folder.name])


def test_the_disk_with_least_space_counts_and_is_named() -> None:
    assert "磁盘只剩 3 MB" in str(space(output=900 * MEGABYTE, data=3 * MEGABYTE).problem())
    assert "「data」" in str(space(output=900 * MEGABYTE, data=3 * MEGABYTE).problem())


def test_there_is_space_at_the_limit_and_none_below_it() -> None:
    assert space(output=LEAST_BYTES).problem() is None
    assert space(output=LEAST_BYTES - 1).problem()


def test_more_images_under_way_require_more_space() -> None:
    disk = space(output=1_000 * MEGABYTE)
    disk.require(33)
    with pytest.raises(DiskLow):
        disk.require(34)


def test_a_missing_disk_has_no_space() -> None:
    def missing(_: Path) -> int:
        raise OSError("no such device")

    assert "检查它是否还连着" in str(DiskSpace([Path("output")], free=missing).problem())


def test_the_disk_is_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, now = list[Path](), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def free(folder: Path) -> int:
        looks.append(folder)
        return 10**12

    disk = DiskSpace([Path("output")], free=free)
    for now[0], number in ((0.0, 1), (0.9, 1), (2.0, 2)):
        disk.require(1)
        assert len(looks) == number


def test_a_missing_folder_uses_the_disk_of_its_nearest_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {tmp_path: SimpleNamespace(free=5)}
    monkeypatch.setattr(shutil, "disk_usage", usage.__getitem__)
    assert free_bytes(tmp_path / "not" / "yet") == free_bytes(tmp_path) == 5
