"""Pictures that wait to be kept: few in memory, the rest on the disk, all of them whole."""

import errno
import io
from pathlib import Path

import pytest

from app.domain import GeneratedImage
from app.worker.spill_buffer import SpillBuffer


def picture(letter: str) -> GeneratedImage:
    return GeneratedImage(content=letter.encode() * 60, seed=ord(letter))


class Full(io.BytesIO):
    """A file on a disk without room."""

    def write(self, _content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_images_beyond_the_memory_limit_are_spilled_to_disk(tmp_path: Path) -> None:
    pile = SpillBuffer(tmp_path, most_bytes=130)
    with pile.put(picture("a")) as a, pile.put(picture("b")) as b, pile.put(picture("c")) as c:
        assert pile.in_memory == 120
        for laid, letter in ((a, "a"), (b, "b"), (c, "c")):
            assert laid.read() == laid.read() == picture(letter)
    assert pile.in_memory == 0
    assert list(tmp_path.iterdir()) == []


def test_one_image_always_stays_in_memory(tmp_path: Path) -> None:
    pile = SpillBuffer(tmp_path, most_bytes=10)
    with pile.put(picture("a")):
        assert pile.in_memory == 60


def test_a_disk_that_fills_up_while_spilling_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pile, file = SpillBuffer(tmp_path, most_bytes=10), Full()
    monkeypatch.setattr(pile, "new_file", lambda: file)
    with pile.put(picture("a")), pile.put(picture("b")) as b:
        assert b.read() == picture("b")
        assert file.closed


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    pile = SpillBuffer(tmp_path / "gone", most_bytes=10)
    with pile.put(picture("a")), pile.put(picture("b")) as b:
        assert b.read() == picture("b")
        assert pile.in_memory == 120
    assert pile.in_memory == 0
