"""A picture with a C2PA manifest is saved as it is, and what is not embedded lies beside it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain import GeneratedImage, ImageRequest, SavedImage
from app.images import metadata, store
from app.images.metadata import format_parameters
from app.system import windows_files
from tools.marked_images import with_c2pa
from tools.signed_images import manifest_state, signed_image

PROMPT = "雪山\n\U0001f600 日出"


def save(folder: Path, content: bytes, record_id: int = 7, stem: str = "山") -> SavedImage:
    text = format_parameters(ImageRequest(prompt=PROMPT), None, "m", record_id, 42)
    image = GeneratedImage(content=content, seed=42)
    return store.save_image(image, output_dir=folder, stem=stem, record_id=record_id, embed=text)


def found(folder: Path, record_id: int = 7, stem: str = "山", prompt: str = PROMPT) -> SavedImage | None:
    return store.find_saved(folder, stem=stem, record_id=record_id, prompt=prompt)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
def test_a_signed_picture_is_saved_byte_for_byte_and_valid(tmp_path: Path, picture_format: str) -> None:
    content = signed_image(picture_format)
    saved = save(tmp_path, content)
    stored = (tmp_path / saved.filename).read_bytes()
    assert (stored == content, manifest_state(stored, picture_format)) == (True, "Valid")
    assert manifest_state(b"".join(metadata.embed(content, picture_format, "Seed: 1")), picture_format) == (
        "Invalid"
    )


@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
def test_a_picture_is_known_by_what_lies_beside_it(tmp_path: Path, picture_format: str) -> None:
    content = with_c2pa(picture_format)
    saved = save(tmp_path, content)
    assert found(tmp_path) == saved
    assert (saved.seed, saved.marks["c2pa"]) == (42, True)
    assert found(tmp_path, record_id=8) is None
    assert found(tmp_path, prompt="海") is None
    (tmp_path / saved.filename).write_bytes(with_c2pa(picture_format))  # other bytes, with a manifest too
    assert found(tmp_path) is None


def test_records_whose_pictures_are_alike_have_a_file_each(tmp_path: Path) -> None:
    content = with_c2pa("png")
    mountain, sea = save(tmp_path, content), save(tmp_path, content, 8, "海")
    assert (found(tmp_path), found(tmp_path, 8, "海")) == (mountain, sea)
    store.delete_image(tmp_path, mountain.filename, 7, mountain.sha256)
    assert (found(tmp_path), found(tmp_path, 8, "海")) == (None, sea)


def test_what_was_embedded_before_an_earlier_version_kept_the_bytes_is_read(tmp_path: Path) -> None:
    text = format_parameters(ImageRequest(prompt=PROMPT), None, "m", 7, 42)
    (tmp_path / "山.png").write_bytes(b"".join(metadata.embed(with_c2pa("png"), "png", text)))
    saved = found(tmp_path)
    assert saved
    assert saved.seed == 42


def test_a_second_picture_of_a_record_leaves_nothing(tmp_path: Path) -> None:
    first = save(tmp_path, with_c2pa("png"))
    before = names(tmp_path)
    assert save(tmp_path, with_c2pa("png")).filename == first.filename
    assert names(tmp_path) == before
    store.delete_image(tmp_path, first.filename, 7, first.sha256)
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process and kills it")
def test_a_process_killed_at_any_step_leaves_no_picture_that_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = with_c2pa("png")
    killed, known = 0, 0
    while killed_at(killed + 1, tmp_path / str(killed), content, monkeypatch):
        folder = tmp_path / str(killed)
        pictures = list(folder.glob("*.png"))
        assert bool(found(folder)) == bool(pictures)
        known += bool(pictures)
        again = save(folder, content)
        assert (list(folder.glob("*.png")), found(folder)) == ([folder / "山.png"], again)
        assert (folder / "山.png").read_bytes() == content
        killed += 1
    assert killed > 8
    assert known > 0


def killed_at(step: int, folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Save in a process that is killed just before that step on disk -> whether it had so many."""
    folder.mkdir()
    child = os.fork()
    if child == 0:
        steps = iter(range(1, step))

        def counted(act: Callable[..., object]) -> Callable[..., object]:
            def acting(*args: object, **options: object) -> object:
                if next(steps, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return act(*args, **options)

            return acting

        for where, name in ((os, "fsync"), (os, "link"), (windows_files, "replace"), (Path, "unlink")):
            monkeypatch.setattr(where, name, counted(getattr(where, name)))
        try:
            save(folder, content)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL
