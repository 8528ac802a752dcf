"""What holds for a library in a folder and for one in a bucket alike: no image is lost or overwritten."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from app.config import Settings
from app.domain import LibraryImage, SampleImage
from app.errors import Conflict, NotFound
from app.images import store
from app.library.library import Library
from tests.specs import ANY
from tools.fakes.clock import Clock
from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.waiting import TIMEOUT

A, B = noise_image("png"), noise_image("png", size=(9, 9))


class Shelf:
    """A library in a folder, or in ``oss``, and another program that changes what is stored there."""

    def __init__(self, settings: Settings, clock: Clock, oss: FakeOss | None) -> None:
        more = oss.settings(oss_sample_prefix="library/") if oss else {}
        self.library = Library(replace(settings, **more), clock)
        self._folder, self._oss = settings.samples_dir, oss
        self._folder.mkdir()
        self.library.refresh()

    def put(self, name: str, content: bytes) -> None:
        """Put an image there, as another program does."""
        if self._oss:
            self._oss.put(f"library/{name}", content)
        else:
            (self._folder / name).parent.mkdir(exist_ok=True)
            (self._folder / name).write_bytes(content)

    def stock(self, name: str, content: bytes) -> None:
        """The same, and the library has seen it."""
        self.put(name, content)
        self.library.refresh()

    def contents(self, folder: str = "") -> list[bytes]:
        """What is stored, sorted; in ``.trash/`` what was deleted."""
        if self._oss:
            found = {key.removeprefix(f"library/{folder}"): each for key, each in self._oss.objects.items()}
            return sorted(each.content for name, each in found.items() if "/" not in name)
        return sorted(path.read_bytes() for path in (self._folder / folder).glob("*.png"))

    def before_next_move(self, patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        """Let something happen after every look, and just before an image gets its new name."""
        if self._oss:
            self._oss.before_next("copy", act)
            return
        acts = [act]
        for owner, verb in ((os, "link"), (Path, "replace")):
            really = getattr(owner, verb)

            def late(path: Path, *others: Any, really: Callable[..., Any] = really) -> Any:
                if acts and path.name == "甲.png":
                    acts.pop()()
                return really(path, *others)

            patch.setattr(owner, verb, late)

    def add(self, name: str, content: bytes) -> LibraryImage:
        return self.library.add(store.validate_upload(name, content))

    def filenames(self) -> list[str]:
        return [image.filename for image in self.library.list_images().images]

    def read(self, place: Path | str) -> bytes:
        return place.read_bytes() if isinstance(place, Path) else requests.get(place, timeout=TIMEOUT).content


@pytest.fixture(params=["folder", "bucket"])
def shelf(request: pytest.FixtureRequest, settings: Settings, oss: FakeOss, clock: Clock) -> Shelf:
    return Shelf(settings, clock, oss if request.param == "bucket" else None)


def test_the_same_image_is_stored_once_under_any_name(shelf: Shelf) -> None:
    assert shelf.add("猫", A).key == shelf.add("另一个名字", A).key
    assert (shelf.filenames(), shelf.contents()) == (["猫.png"], [A])


def test_a_deleted_image_is_hidden_until_it_is_restored_or_uploaded_again(shelf: Shelf) -> None:
    image = shelf.add("猫", A)
    shelf.library.delete(image.key)
    assert shelf.filenames() == []
    with pytest.raises(NotFound):
        shelf.library.delete(image.key)
    for _ in range(2):
        assert shelf.library.restore(image.key).key == image.key
    assert shelf.filenames() == ["猫.png"]
    shelf.library.delete(image.key)
    assert shelf.add("猫", A).filename in shelf.filenames()


def test_two_deleted_images_of_one_name_are_both_in_the_trash(shelf: Shelf) -> None:
    for content in (A, B):
        shelf.stock("手放.png", content)
        shelf.library.delete("手放.png")
    assert shelf.contents(".trash/") == sorted((A, B))
    for name in ("手放.png", "手放-2.png"):
        shelf.library.restore(name)
    assert shelf.contents() == sorted((A, B))


def test_restoring_does_not_overwrite_a_new_image_of_the_same_name(shelf: Shelf) -> None:
    shelf.stock("手放.png", A)
    shelf.library.delete("手放.png")
    shelf.put("手放.png", B)
    with pytest.raises(Conflict, match="手放"):
        shelf.library.restore("手放.png")
    assert shelf.contents() == [B]
    shelf.library.rename("手放.png", "另一张")
    assert shelf.library.restore("手放.png") == shelf.library.restore("手放.png")
    assert shelf.read(shelf.library.file("手放.png")) == A


def test_an_image_that_appears_during_a_rename_is_not_overwritten(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.stock("甲.png", A)
    shelf.before_next_move(monkeypatch, lambda: shelf.put("乙.png", B))
    with pytest.raises(Conflict, match="乙"):
        shelf.library.rename("甲.png", "乙")
    assert shelf.contents() == sorted((A, B))


def test_an_image_that_appears_during_a_restore_is_not_overwritten(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.stock("甲.png", A)
    shelf.library.delete("甲.png")
    shelf.before_next_move(monkeypatch, lambda: shelf.put("甲.png", B))
    with pytest.raises(Conflict, match="甲"):
        shelf.library.restore("甲.png")
    assert (shelf.contents(), shelf.contents(".trash/")) == ([B], [A])


def test_a_trash_entry_that_appears_during_a_deletion_is_not_overwritten(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.stock("甲.png", A)
    shelf.before_next_move(monkeypatch, lambda: shelf.put(".trash/甲.png", B))
    shelf.library.delete("甲.png")
    assert (shelf.contents(), shelf.contents(".trash/")) == ([], sorted((A, B)))


def test_a_used_reference_is_shown_and_sent_after_rename_and_deletion(shelf: Shelf) -> None:
    image = shelf.add("猫", A)
    used = SampleImage(url=image.url, filename=image.filename)
    renamed = shelf.library.rename(image.key, "狗")
    assert (shelf.filenames(), renamed.width) == (["狗.png"], image.width)
    shelf.library.delete(renamed.key)
    assert shelf.read(shelf.library.file(image.key)) == A
    assert shelf.read(shelf.library.thumbnail(image.key))[8:12] == b"WEBP"
    (sent,) = shelf.library.resolve([used], ANY)
    assert (sent.content or shelf.read(sent.url or "")) == A
    (pinned,) = shelf.library.pin([used]).values()
    assert (pinned.key, pinned.sha256[:12]) == (image.key, image.key[-16:-4])
