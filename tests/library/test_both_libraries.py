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


class Backend:
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
            original = getattr(owner, verb)

            def after_the_act(path: Path, *others: Any, original: Callable[..., Any] = original) -> Any:
                if acts and path.name == "甲.png":
                    acts.pop()()
                return original(path, *others)

            patch.setattr(owner, verb, after_the_act)

    def add(self, name: str, content: bytes) -> LibraryImage:
        return self.library.add(store.validate_upload(name, content))

    def filenames(self) -> list[str]:
        return [image.filename for image in self.library.list_images().images]

    def read(self, stored: Path | str) -> bytes:
        return (
            stored.read_bytes() if isinstance(stored, Path) else requests.get(stored, timeout=TIMEOUT).content
        )


@pytest.fixture(params=["folder", "bucket"])
def backend(request: pytest.FixtureRequest, settings: Settings, oss: FakeOss, clock: Clock) -> Backend:
    return Backend(settings, clock, oss if request.param == "bucket" else None)


def test_the_same_image_is_stored_once_under_any_name(backend: Backend) -> None:
    assert backend.add("猫", A).key == backend.add("另一个名字", A).key
    assert (backend.filenames(), backend.contents()) == (["猫.png"], [A])


def test_a_deleted_image_is_hidden_until_it_is_restored_or_uploaded_again(backend: Backend) -> None:
    image = backend.add("猫", A)
    backend.library.delete(image.key)
    assert backend.filenames() == []
    with pytest.raises(NotFound):
        backend.library.delete(image.key)
    for _ in range(2):
        assert backend.library.restore(image.key).key == image.key
    assert backend.filenames() == ["猫.png"]
    backend.library.delete(image.key)
    assert backend.add("猫", A).filename in backend.filenames()


def test_two_deleted_images_of_one_name_are_both_in_the_trash(backend: Backend) -> None:
    for content in (A, B):
        backend.stock("手放.png", content)
        backend.library.delete("手放.png")
    assert backend.contents(".trash/") == sorted((A, B))
    for name in ("手放.png", "手放-2.png"):
        backend.library.restore(name)
    assert backend.contents() == sorted((A, B))


def test_restoring_does_not_overwrite_a_new_image_of_the_same_name(backend: Backend) -> None:
    backend.stock("手放.png", A)
    backend.library.delete("手放.png")
    backend.put("手放.png", B)
    with pytest.raises(Conflict, match="手放"):
        backend.library.restore("手放.png")
    assert backend.contents() == [B]
    backend.library.rename("手放.png", "另一张")
    assert backend.library.restore("手放.png") == backend.library.restore("手放.png")
    assert backend.read(backend.library.file("手放.png")) == A


def test_an_image_that_appears_during_a_rename_is_not_overwritten(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.stock("甲.png", A)
    backend.before_next_move(monkeypatch, lambda: backend.put("乙.png", B))
    with pytest.raises(Conflict, match="乙"):
        backend.library.rename("甲.png", "乙")
    assert backend.contents() == sorted((A, B))


def test_an_image_that_appears_during_a_restore_is_not_overwritten(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.stock("甲.png", A)
    backend.library.delete("甲.png")
    backend.before_next_move(monkeypatch, lambda: backend.put("甲.png", B))
    with pytest.raises(Conflict, match="甲"):
        backend.library.restore("甲.png")
    assert (backend.contents(), backend.contents(".trash/")) == ([B], [A])


def test_a_trash_entry_that_appears_during_a_deletion_is_not_overwritten(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.stock("甲.png", A)
    backend.before_next_move(monkeypatch, lambda: backend.put(".trash/甲.png", B))
    backend.library.delete("甲.png")
    assert (backend.contents(), backend.contents(".trash/")) == ([], sorted((A, B)))


def test_a_used_reference_is_shown_and_sent_after_rename_and_deletion(backend: Backend) -> None:
    image = backend.add("猫", A)
    used = SampleImage(url=image.url, filename=image.filename)
    renamed = backend.library.rename(image.key, "狗")
    assert (backend.filenames(), renamed.width) == (["狗.png"], image.width)
    backend.library.delete(renamed.key)
    assert backend.read(backend.library.file(image.key)) == A
    assert backend.read(backend.library.thumbnail(image.key))[8:12] == b"WEBP"
    (sent,) = backend.library.resolve([used], ANY)
    assert (sent.content or backend.read(sent.url or "")) == A
    (pinned,) = backend.library.pin([used]).values()
    assert (pinned.key, pinned.sha256[:12]) == (image.key, image.key[-16:-4])
