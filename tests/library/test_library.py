"""The library in a folder: stored once, found by name, resolved to bytes."""

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.config import Settings
from app.domain import LibraryImage, ReferenceInfo, SampleImage
from app.errors import Conflict, InvalidRequest, NotFound, StorageError
from app.images import store
from app.library import local
from app.library.catalogue import names_of
from app.library.library import FILES_URL, THUMBNAILS_URL, Library, shown_at
from tests.specs import ANY, BYTES
from tools.noise_images import noise_image


@pytest.fixture
def library(settings: Settings) -> Library:
    return Library(settings)


def add(library: Library, filename: str, content: bytes | None = None) -> LibraryImage:
    return library.add(store.validate_upload(filename, content or noise_image("png", size=(400, 200))))


def hand_put(settings: Settings, *names: str) -> dict[str, bytes]:
    settings.samples_dir.mkdir(exist_ok=True)
    contents = {name: noise_image("png") for name in names}
    for name, content in contents.items():
        (settings.samples_dir / name).write_bytes(content)
    return contents


def images(library: Library) -> list[LibraryImage]:
    return list(library.list_images().images)


def filenames(library: Library, search: str = "") -> list[str]:
    return [image.filename for image in library.list_images(search).images]


def find(library: Library, key: str) -> Path:
    path = library.file(key)
    assert isinstance(path, Path)
    return path


def thumbnail(library: Library, key: str) -> Path:
    path = library.thumbnail(key)
    assert isinstance(path, Path)
    return path


def reference(library: Library, url: str) -> bytes:
    (made,) = library.resolve([SampleImage(url=url, filename="猫")], ANY)
    assert made.content is not None
    assert made.url is None
    return made.content


def test_a_missing_library_folder_is_an_empty_library(library: Library) -> None:
    assert images(library) == []


def test_an_added_image_is_listed_with_everything_a_page_shows(library: Library) -> None:
    image = add(library, "红 #1 100%.png")
    assert images(library) == [image]
    assert (image.filename, image.width, image.height) == ("红 #1 100%.png", 400, 200)
    assert image.url.startswith("/samples/files/%E7%BA%A2%20%231%20100%25-400x200-")
    assert unquote(image.url.removeprefix(FILES_URL)) == image.key
    assert unquote(image.thumbnail_url.removeprefix(THUMBNAILS_URL)) == image.key


def test_the_newest_comes_first(settings: Settings, library: Library) -> None:
    for age, name in enumerate(["c", "a", "b"]):
        image = add(library, name)
        os.utime(settings.samples_dir / image.key, (1_000 - age, 1_000 - age))
    assert filenames(library) == ["c.png", "a.png", "b.png"]


@pytest.mark.parametrize("search", ["", "红", "CAT", "ｃａｔ", "  cat ", "t.p", "Ⅰ"])
def test_search_folds_letters_case_and_width(library: Library, search: str) -> None:
    add(library, "红Cat.png" if search != "Ⅰ" else "部分 I")
    assert len(filenames(library, search)) == 1
    assert filenames(library, "400") == []


def test_different_images_may_have_the_same_name(library: Library) -> None:
    add(library, "猫")
    add(library, "猫")
    assert filenames(library) == ["猫.png", "猫.png"]


def test_an_unreadable_reference_is_refused_with_the_reason(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add(library, "猫")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InvalidRequest, match=r"「猫\.png」读不出来（Permission denied）"):
        library.resolve([SampleImage(url=image.url, filename=image.filename)], BYTES)


def test_references_that_exceed_the_limit_of_a_request_in_all_are_refused(library: Library) -> None:
    added = [add(library, f"{number}.png") for number in range(3)]
    size = sum(find(library, image.key).stat().st_size for image in added)
    used = [SampleImage(url=image.url, filename=image.filename) for image in added]
    assert len(library.resolve(used, replace(BYTES, max_reference_bytes=size))) == 3
    with pytest.raises(InvalidRequest, match="一共超过") as caught:
        library.resolve(used, replace(BYTES, max_reference_bytes=size - 1))
    assert caught.value.field == "sample_images"


def test_manually_added_files_are_listed(settings: Settings, library: Library) -> None:
    hand_put(settings, "手放的.JPG")
    (image,) = images(library)
    assert (image.filename, image.width, image.height) == ("手放的.JPG", None, None)
    assert image.thumbnail_url == image.url
    assert thumbnail(library, image.key).name == "手放的.JPG"


def test_only_images_with_a_decodable_name_are_listed(settings: Settings, library: Library) -> None:
    settings.samples_dir.mkdir()
    for name in (b"notes.txt", b"page.html", b".hidden.png", b"\xc3\xa8.png\xff.png"):
        Path(os.fsdecode(os.fsencode(settings.samples_dir) + b"/" + name)).touch()
    (settings.samples_dir / "folder.png").mkdir()
    assert filenames(library) == []


@pytest.mark.parametrize(
    "key",
    [
        *("", "..", "../secret.png", "/etc/passwd", "a/b.png", "a\\b.png", "C:secret.png", ".trash/x.png"),
        *(".hidden.png", "notes.txt", "link.png", "no\x00.png", "没有.png", "long" * 100 + ".png"),
    ],
)
def test_a_key_cannot_leave_the_library(settings: Settings, library: Library, key: str) -> None:
    settings.samples_dir.mkdir()
    secret = settings.samples_dir.parent / "secret.png"
    secret.write_bytes(noise_image("png"))
    (settings.samples_dir / "link.png").symlink_to(secret)
    (settings.samples_dir / ".hidden.png").touch()
    (settings.samples_dir / "notes.txt").touch()
    ways: tuple[Callable[[str], object], ...] = (
        library.file,
        library.thumbnail,
        library.delete,
        library.restore,
        lambda key: library.rename(key, "猫"),
        lambda key: library.file(f".pinned/{'0' * 64}/{key}"),
    )
    for reach in ways:
        with pytest.raises(NotFound):
            reach(key)
    assert secret.is_file()


def test_a_library_that_is_no_folder_is_reported(settings: Settings, library: Library) -> None:
    settings.samples_dir.write_text("a file stands in the way")
    with pytest.raises(StorageError, match="打不开"):
        add(library, "猫")


def test_a_crash_while_writing_leaves_nothing_in_the_list(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="磁盘空间"):
        add(library, "猫")
    assert [path for path in settings.samples_dir.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("url", ["https://example.com/a.png?sig=1", "http://example.com/output/a.png"])
def test_public_urls_are_passed_on_unchanged(library: Library, url: str) -> None:
    (made,) = library.resolve([SampleImage(url=url, filename="a.png")], ANY)
    assert (made.filename, made.url, made.content) == ("a.png", url, None)


@pytest.mark.parametrize(
    ("picture_format", "media_type"), [("png", "image/png"), ("jpeg", "image/jpeg"), ("webp", "image/webp")]
)
def test_library_images_are_resolved_to_bytes(library: Library, picture_format: str, media_type: str) -> None:
    content = noise_image(picture_format)
    image = add(library, "红 #1 100%", content)
    (made,) = library.resolve([SampleImage(url=image.url, filename=image.filename)], ANY)
    assert (made.content, made.media_type, made.url) == (content, media_type, None)


@pytest.mark.parametrize(
    "url",
    [
        "/output/猫 100% #1.png",
        "/output/%E7%8C%AB%20100%25%20%231.png",
        "/output/%E7%8C%AB%20100%25%20%231.png?v=2",
        "http://localhost:5000/output/%E7%8C%AB%20100%25%20%231.png",
        "http://127.0.0.1:5000/output/%E7%8C%AB%20100%25%20%231.png",
    ],
)
def test_generated_images_may_be_references(settings: Settings, library: Library, url: str) -> None:
    settings.output_dir.mkdir()
    content = noise_image("png")
    (settings.output_dir / "猫 100% #1.png").write_bytes(content)
    assert reference(library, url) == content


@pytest.mark.parametrize(
    "url",
    [
        "/output/没有.png",
        "/output/../samples/x.png",
        "/output/%2e%2e%2fsecret.png",
        "/samples/files/没有.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://[",
        "猫.png",
    ],
)
def test_a_missing_reference_is_named(settings: Settings, library: Library, url: str) -> None:
    (settings.samples_dir.parent / "secret.png").write_bytes(noise_image("png"))
    settings.output_dir.mkdir()
    with pytest.raises(InvalidRequest, match="「红猫」找不到") as caught:
        library.resolve([SampleImage(url=url, filename="红猫")], ANY)
    assert caught.value.field == "sample_images"


def test_a_reference_that_is_no_image_is_named(settings: Settings, library: Library) -> None:
    settings.samples_dir.mkdir()
    (settings.samples_dir / "假.png").write_bytes(b"<html>")
    with pytest.raises(InvalidRequest, match="「红猫」不是"):
        library.resolve([SampleImage(url="/samples/files/假.png", filename="红猫")], ANY)


def test_a_renamed_image_keeps_its_thumbnail_and_is_found_by_its_old_key(library: Library) -> None:
    content = noise_image("png", size=(400, 200))
    old = add(library, "旧名", content)
    new = library.rename(old.key, "新 名")
    assert filenames(library) == ["新 名.png"]
    assert (new.width, new.height) == (400, 200)
    assert thumbnail(library, new.key).read_bytes()[8:12] == b"WEBP"
    assert reference(library, old.url) == content
    assert library.rename(new.key, "新 名") == new


def test_the_longest_name_can_be_stored_and_one_that_is_too_long_is_refused(library: Library) -> None:
    image = add(library, "猫" * 200)
    assert thumbnail(library, image.key).is_file()
    with pytest.raises(InvalidRequest):
        library.rename(image.key, "长" * 100)


@pytest.fixture(params=["links", "no links"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with hard links, and one without."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


def at_once(acts: Sequence[Callable[[], object]]) -> list[type[Exception] | None]:
    """Do all of it in threads that start together -> what each raised."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> type[Exception] | None:
        start.wait(60)
        try:
            act()
        except (Conflict, NotFound) as error:
            return type(error)
        return None

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def contents_of(place: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in place.glob("*.png"))


@pytest.mark.usefixtures("disk")
def test_images_renamed_concurrently_to_one_name_are_all_kept(settings: Settings, library: Library) -> None:
    for _ in range(20):
        contents = hand_put(settings, *(f"{n}.png" for n in range(4)))
        raised = at_once([partial(library.rename, f"{n}.png", "同名") for n in range(4)])
        assert sorted(map(str, raised)) == sorted(map(str, [None, Conflict, Conflict, Conflict]))
        assert contents_of(settings.samples_dir) == sorted(contents.values())
        for path in settings.samples_dir.glob("*.png"):
            path.unlink()


@pytest.mark.usefixtures("disk")
def test_an_image_renamed_and_deleted_concurrently_is_in_one_place(
    settings: Settings, library: Library
) -> None:
    for _ in range(20):
        (content,) = hand_put(settings, "甲.png").values()
        raised = at_once([lambda: library.rename("甲.png", "乙"), lambda: library.delete("甲.png")])
        assert raised.count(None) == 1
        places = [settings.samples_dir, settings.samples_dir / ".trash"]
        found = [path for place in places for path in place.glob("*.png")]
        assert [path.read_bytes() for path in found] == [content]
        found[0].unlink()


def test_a_reference_is_pinned_by_key_and_hash(library: Library) -> None:
    image = add(library, "红 #1")
    (pinned,) = library.pin([SampleImage(url=image.url, filename="红 #1.png")]).values()
    assert (pinned.url, pinned.filename, pinned.key) == (image.url, "红 #1.png", image.key)
    assert pinned.sha256
    assert pinned.sha256 in image.key
    elsewhere = SampleImage(url="https://example.com/a.png", filename="a.png")
    assert library.pin([elsewhere]) == {elsewhere: elsewhere}
    assert shown_at(pinned) == image.thumbnail_url


def test_identifying_a_reference_names_its_content_and_saves_no_snapshot(
    settings: Settings, library: Library
) -> None:
    hand_put(settings, "手放.png")
    by_hand = SampleImage(url="/samples/files/手放.png", filename="手放.png")
    missing = SampleImage(url="/samples/files/none.png", filename="none.png")
    identified = library.identify([by_hand, missing])
    assert not (settings.samples_dir / ".pinned").exists()
    assert identified[missing] == missing
    assert library.pin([by_hand])[by_hand].sha256.startswith(identified[by_hand].sha256)


@pytest.mark.parametrize("name", ["手 放.png", "🍵 100%41 #1?.PNG", "e\u0301té+b&c=d.png"])
def test_a_used_reference_is_shown_and_can_be_requested_again_after_manual_replacement(
    settings: Settings, library: Library, name: str
) -> None:
    chosen, other = hand_put(settings, name)[name], noise_image("png")
    (image,) = images(library)
    (pinned,) = library.pin([SampleImage(url=image.url, filename=name)]).values()
    (settings.samples_dir / name).write_bytes(other)
    (again,) = library.pin([SampleImage(url=pinned.pinned.url, filename=name)]).values()
    assert again == pinned
    (sent,) = library.resolve([again], ANY)
    assert sent.content == chosen
    assert library.facts([again])[again.url].size == len(chosen)
    small = thumbnail(library, unquote(shown_at(pinned).removeprefix(THUMBNAILS_URL)))
    assert small.read_bytes() == chosen
    assert filenames(library) == [name]
    (anew,) = library.pin([SampleImage(url=image.url, filename=name)]).values()
    (sent,) = library.resolve([anew], ANY)
    assert sent.content == other


def test_an_image_named_by_thousands_of_rows_is_read_once(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_put(settings, "手放.png")
    file = settings.samples_dir / "手放.png"
    monkeypatch.setattr(local, "_SETTLED_NS", -1)
    read, plainly = list[Path](), Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        read.append(path)
        return plainly(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    wanted = [SampleImage(url="/samples/files/手放.png", filename=f"{number}.png") for number in range(100)]
    first = library.pin(wanted)[wanted[0]]
    assert len(read) == 1
    (settings.samples_dir / ".pinned" / f"{first.sha256}.png").unlink()
    assert library.pin(wanted)[wanted[0]] == first
    assert len(read) == 2
    file.write_bytes(noise_image("png"))
    assert library.pin(wanted)[wanted[0]].sha256 != first.sha256
    assert len(read) == 3


def test_a_lost_reference_is_not_replaced_by_a_new_file_of_its_name(
    settings: Settings, library: Library
) -> None:
    hand_put(settings, "手放.png")
    for mark in ("0" * 64, "0" * 32):
        requested = SampleImage(url=f"/samples/files/.pinned/{mark}/手放.png", filename="手放.png")
        (pinned,) = library.pin([requested]).values()
        assert library.facts([pinned])[pinned.url].is_missing
        with pytest.raises(InvalidRequest, match="找不到"):
            library.resolve([pinned], ANY)
        with pytest.raises(NotFound):
            library.thumbnail(requested.url.removeprefix(FILES_URL))


def test_image_properties_are_known_before_submission(settings: Settings, library: Library) -> None:
    settings.output_dir.mkdir()
    (settings.output_dir / "画.jpg").write_bytes(noise_image("jpeg"))
    content = noise_image("png", size=(400, 200))
    urls = [
        add(library, "猫", content).url,
        "/output/画.jpg",
        "/samples/files/没有.png",
        "https://a.com/b.png",
    ]
    facts = library.facts([SampleImage(url=url, filename="x") for url in urls])
    assert facts[urls[0]] == ReferenceInfo(format="png", size=len(content), width=400, height=200)
    assert facts[urls[1]].format == "jpeg"
    assert facts[urls[2]].is_missing
    assert urls[3] not in facts


def test_a_page_of_the_list_includes_the_total(library: Library) -> None:
    for name in "甲乙丙":
        add(library, name)
    page = library.list_images(offset=1, limit=1)
    assert (len(page.images), page.total, page.source, page.is_stale) == (1, 3, "local", False)


def test_manually_added_files_appear_at_the_next_refresh(settings: Settings, library: Library) -> None:
    add(library, "旧")
    os.utime(settings.samples_dir, (1_000, 1_000))
    os.utime(settings.samples_dir / ".thumbnails", (1_000, 1_000))
    assert filenames(library) == ["旧.png"]
    (settings.samples_dir / "新.png").write_bytes(noise_image("png"))
    assert len(filenames(library)) == 2


def test_the_trash_is_emptied_after_thirty_days(settings: Settings, library: Library) -> None:
    content = noise_image("png")
    old, young, again = add(library, "一"), add(library, "二"), add(library, "三", content)
    for image in (old, young, again):
        library.delete(image.key)
    trash = settings.samples_dir / ".trash"
    for image in (old, again):
        os.utime(trash / image.key, (time.time() - 31 * 24 * 3600, 1_000))
    add(library, "三", content)
    assert library.empty_trash(days=30, is_used=lambda _: False) == 2
    assert [path.name for path in trash.iterdir()] == [young.key]
    with pytest.raises(NotFound):
        library.restore(old.key)
    assert library.restore(young.key).filename == "二.png"
    assert thumbnail(library, again.key).read_bytes()[8:12] == b"WEBP"


def test_used_references_are_not_purged_from_the_trash(settings: Settings, library: Library) -> None:
    used, unused = add(library, "用过"), add(library, "没用过")
    for image in (used, unused):
        library.delete(image.key)
        os.utime(settings.samples_dir / ".trash" / image.key, (1_000, 1_000))
    names = names_of(used.key)
    assert library.empty_trash(days=30, is_used=lambda requested: set(requested) == set(names)) == 1
    assert filenames(library) == []
    assert thumbnail(library, used.key).read_bytes()[8:12] == b"WEBP"
    with pytest.raises(NotFound):
        find(library, unused.key)


def test_an_old_image_deleted_today_stays_in_the_trash(settings: Settings, library: Library) -> None:
    image = add(library, "猫")
    os.utime(settings.samples_dir / image.key, (1_000, 1_000))
    library.delete(image.key)
    assert library.empty_trash(days=30, is_used=lambda _: False) == 0
    library.restore(image.key)
    assert (settings.samples_dir / image.key).stat().st_mtime == 1_000
