"""The library in a bucket: its list, changes to its images, and the references made of them."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from app.config import Settings
from app.domain import LibraryImage, SampleImage, ValidatedUpload
from app.errors import BucketError, InvalidRequest, NotFound, TryLater
from app.images import store
from app.library import list_cache
from app.library.library import Library
from tests.specs import ANY, BYTES, URL
from tools.fakes.clock import Clock
from tools.fakes.oss import Call, FakeOss, Reply
from tools.noise_images import noise_image
from tools.waiting import TIMEOUT

PREFIX = "ai-images/sample/"
NAMES = ("红 茶", "100% #1 & a+b=c", "🍵 龙井", "e\u0301té.v2", "猫" * 60)


@pytest.fixture
def in_oss(settings: Settings, oss: FakeOss) -> Settings:
    return replace(settings, **oss.settings())


@pytest.fixture
def library(in_oss: Settings, clock: Clock) -> Library:
    opened = Library(in_oss, clock)
    opened.refresh()
    return opened


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_cache, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(list_cache, "LATER_WAIT", 0.0)


def upload(name: str, content: bytes | None = None) -> ValidatedUpload:
    return store.validate_upload(name, content or noise_image("png", size=(400, 200)))


def filenames(library: Library, search: str = "") -> list[str]:
    return [image.filename for image in library.list_images(search).images]


def fetched(place: Path | str) -> bytes:
    assert isinstance(place, str)
    answer = requests.get(place, timeout=TIMEOUT)
    assert answer.status_code == 200, answer.text
    return answer.content


def sent(library: Library, image: LibraryImage) -> bytes:
    (made,) = library.resolve([SampleImage(url=image.url, filename=image.filename)], URL)
    assert made.content is None
    return fetched(made.url or "")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_round_trips(library: Library, oss: FakeOss, name: str) -> None:
    content = noise_image("png", size=(400, 200))
    image = library.add(upload(name, content))
    assert oss.objects[PREFIX + image.key].content == content
    library.refresh()
    assert library.list_images().images == (replace(image, size=len(content)),)
    assert (image.width, image.height, library.source) == (400, 200, "oss")
    assert fetched(library.file(image.key)) == content
    assert fetched(library.thumbnail(image.key))[8:12] == b"WEBP"
    assert sent(library, image) == content
    renamed = library.rename(image.key, "新 名")
    library.delete(renamed.key)
    assert filenames(library) == []
    library.restore(renamed.key)
    assert filenames(library) == ["新 名.png"]


def test_ten_thousand_images_are_listed_once_and_searched_locally(library: Library, oss: FakeOss) -> None:
    for number in range(10_000):
        oss.put(f"{PREFIX}款式 {number:05}.png", b"x", age=number)
    library.refresh()
    earlier = oss.count("list")
    page = library.list_images(limit=100)
    assert (len(page.images), page.total) == (100, 10_000)
    assert page.images[0].filename == "款式 00000.png"
    assert filenames(library, "0777") == [f"款式 {n:05}.png" for n in (777, *range(7770, 7780))]
    assert oss.count("list") == earlier


def test_only_images_are_listed_and_folders_are_kept(library: Library, oss: FakeOss) -> None:
    for key in ("茶/红.png", "说明.txt", "茶/", ".trash/旧.png", ".sent/0.png", "绿.webp"):
        oss.put(PREFIX + key, noise_image("png"))
    oss.put("elsewhere/猫.png", noise_image("png"))
    library.refresh()
    assert sorted(image.key for image in library.list_images().images) == ["绿.webp", "茶/红.png"]
    assert fetched(library.file("茶/红.png")).startswith(b"\x89PNG")


def test_the_same_image_is_stored_once(library: Library, oss: FakeOss) -> None:
    content = noise_image("png")
    first = library.add(upload("一", content))
    assert library.add(upload("二", content)).key == first.key
    assert oss.count("put") == 1
    del oss.objects[PREFIX + first.key]  # deleted by another program
    assert library.add(upload("三", content)).filename == "三.png"


def test_a_cached_list_is_shown_at_once_and_marked_as_stale(
    library: Library, oss: FakeOss, clock: Clock
) -> None:
    oss.put(f"{PREFIX}新.png", b"x")
    clock.sleep(61)
    page = library.list_images()
    assert (page.images, page.is_stale, page.problem) == ((), True, None)
    assert library.refresh_when_requested(0)
    assert not library.refresh_when_requested(0)
    page = library.list_images()
    assert ([image.filename for image in page.images], page.is_stale) == (["新.png"], False)
    assert page.listed_at == clock.now


def test_another_process_of_the_installation_lists_an_image_within_two_seconds(
    in_oss: Settings, oss: FakeOss, clock: Clock
) -> None:
    shared = replace(in_oss, database_url="postgresql://db/images")
    first, second = Library(shared, clock), Library(shared, clock)
    for each in (first, second):
        each.refresh()
    first.add(upload("新"))
    clock.sleep(list_cache.SHARED_FRESH_SECONDS + 0.1)
    second.list_images()
    assert second.refresh_when_requested(0)
    assert filenames(second) == ["新.png"]
    assert list_cache.SHARED_FRESH_SECONDS <= 2


def test_waiting_for_the_first_list_has_a_deadline(in_oss: Settings, clock: Clock) -> None:
    opened = Library(in_oss, clock)
    with pytest.raises(TryLater, match="稍等"):
        opened.list_images()


def test_waiting_ends_as_soon_as_the_list_arrives(
    in_oss: Settings, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_cache, "FIRST_WAIT", TIMEOUT)
    oss.put(f"{PREFIX}猫.png", b"x")
    opened = Library(in_oss)
    thread = threading.Timer(0.1, opened.refresh)
    thread.start()
    assert filenames(opened) == ["猫.png"]
    thread.join()


def test_during_an_outage_the_last_list_is_shown_with_the_reason(
    library: Library, oss: FakeOss, clock: Clock, in_oss: Settings
) -> None:
    library.add(upload("猫"))
    library.refresh()
    oss.is_down = True
    clock.sleep(3_600)
    library.refresh()
    page = library.list_images()
    assert [image.filename for image in page.images] == ["猫.png"]
    assert page.is_stale
    assert "连不上 OSS" in str(page.problem)
    after_a_restart = Library(in_oss, clock)
    assert filenames(after_a_restart) == ["猫.png"]
    with pytest.raises(BucketError, match="连不上 OSS"):
        library.add(upload("狗"))
    oss.is_down = False
    library.refresh()
    assert library.list_images().problem is None


def test_the_list_of_another_bucket_is_discarded(library: Library, in_oss: Settings) -> None:
    library.add(upload("猫"))
    library.refresh()
    other = Library(replace(in_oss, oss_sample_prefix="other/"))
    with pytest.raises(TryLater):
        other.list_images()


def test_changes_during_a_refresh_are_not_lost(library: Library, oss: FakeOss) -> None:
    deleted = library.add(upload("旧"))

    def change() -> None:
        library.delete(deleted.key)
        library.add(upload("新"))

    while_the_list_is_read(library, oss, change)
    assert filenames(library) == ["新.png"]


def while_the_list_is_read(library: Library, oss: FakeOss, act: Callable[[], object]) -> None:
    """Let something happen to the library after OSS has made up its list and before that arrives."""
    begun, done = threading.Event(), threading.Event()
    listed = oss._list

    def late(call: Call) -> Reply:
        reply = listed(call)
        begun.set()
        assert done.wait(TIMEOUT)
        return reply

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(oss, "_list", late)
        refreshing = threading.Thread(target=library.refresh)
        refreshing.start()
        assert begun.wait(TIMEOUT)
        try:
            act()
        finally:
            done.set()
            refreshing.join()


@pytest.mark.parametrize("name", ["手放.png", "红茶-640x480-0123456789ab.png"])
def test_a_reference_deleted_during_a_refresh_is_still_sent(
    library: Library, oss: FakeOss, in_oss: Settings, name: str
) -> None:
    content = noise_image("png")
    oss.put(PREFIX + name, content)
    library.refresh()
    (image,) = library.list_images().images
    while_the_list_is_read(library, oss, lambda: library.delete(name))
    assert filenames(library) == []
    assert fetched(library.file(name)) == content
    assert sent(library, image) == content
    assert fetched(Library(in_oss).file(name)) == content  # also after a restart, from the cached list


def test_a_reference_deleted_and_restored_during_a_refresh_is_not_sought_in_the_trash(
    library: Library, oss: FakeOss
) -> None:
    content, name = noise_image("png"), "红茶-640x480-0123456789ab.png"
    oss.put(PREFIX + name, content)
    library.refresh()
    (image,) = library.list_images().images
    library.delete(name)
    while_the_list_is_read(library, oss, lambda: library.rename(library.restore(name).key, "绿茶"))
    library.delete("绿茶-640x480-0123456789ab.png")
    assert sent(library, image) == content


def test_an_image_renamed_inside_the_trash_is_found_with_its_content(library: Library, oss: FakeOss) -> None:
    old, new = noise_image("png"), noise_image("png")
    for content in (old, new):
        oss.put(f"{PREFIX}手放.png", content)
        library.refresh()
        while_the_list_is_read(library, oss, lambda: library.delete("手放.png"))
    assert fetched(library.file("手放.png")) == new


def test_a_browser_url_is_stable_for_an_hour(library: Library, clock: Clock) -> None:
    image = library.add(upload("猫"))
    first = library.thumbnail(image.key)
    assert library.thumbnail(image.key) == first
    clock.sleep(3_601)
    assert library.thumbnail(image.key) != first
    assert fetched(first)


def test_a_deleted_reference_is_named(library: Library) -> None:
    missing = SampleImage(url="/samples/files/没有.png", filename="没有.png")
    with pytest.raises(InvalidRequest, match=r"「没有\.png」找不到"):
        library.resolve([missing], URL)


def test_a_model_that_needs_bytes_gets_bytes(library: Library) -> None:
    content = noise_image("webp")
    image = library.add(upload("猫", content))
    (made,) = library.resolve([SampleImage(url=image.url, filename="猫")], BYTES)
    assert (made.content, made.url, made.media_type) == (content, None, "image/webp")


def test_a_local_image_is_uploaded_for_a_model_that_needs_a_url(
    library: Library, oss: FakeOss, in_oss: Settings, clock: Clock
) -> None:
    in_oss.output_dir.mkdir()
    content = noise_image("png")
    (in_oss.output_dir / "画.png").write_bytes(content)
    wanted = [SampleImage(url="/output/画.png", filename="画.png")] * 2
    made = library.resolve(wanted, URL)
    assert [fetched(each.url or "") for each in made] == [content, content]
    assert oss.count("put") == 1
    (as_bytes,) = library.resolve(wanted[:1], ANY)
    assert as_bytes.content == content
    assert filenames(library) == []
    clock.sleep(3 * 24 * 3600)
    library.refresh()
    assert oss.objects == {}


def test_the_local_folder_from_before_the_bucket_still_serves(
    library: Library, in_oss: Settings, settings: Settings
) -> None:
    content = noise_image("png")
    old = Library(settings).add(upload("旧", content))
    assert filenames(library) == []
    assert isinstance(library.file(old.key), Path)
    assert sent(library, old) == content


@pytest.mark.parametrize("key", ["", "../a.png", ".trash/a.png", "a/.b.png", "a//b.png", "a.txt", "没有.png"])
def test_a_key_cannot_leave_the_library(library: Library, oss: FakeOss, key: str) -> None:
    oss.put(f"{PREFIX}.trash/a.png", noise_image("png"))
    with pytest.raises(NotFound):
        library.delete(key)
    with pytest.raises(NotFound):
        library.rename(key, "x")
    assert list(oss.objects) == [f"{PREFIX}.trash/a.png"]


def test_oss_is_not_contacted_before_first_use(in_oss: Settings, oss: FakeOss) -> None:
    Library(in_oss)
    assert oss.calls == []


def test_an_image_that_another_server_deletes_is_hidden_but_stays_for_the_records_of_this_one(
    library: Library, oss: FakeOss, clock: Clock, in_oss: Settings
) -> None:
    content = noise_image("png")
    image = library.add(upload("一", content))
    other = Library(replace(in_oss, samples_dir=in_oss.samples_dir / "other"), clock)
    other.refresh()
    renamed = other.rename(image.key, "改过名")
    other.delete(renamed.key)
    clock.sleep(400 * 24 * 3600)
    for server in (library, other):
        server.refresh()
        assert filenames(server) == []
        assert fetched(server.file(image.key)) == sent(server, image) == content
    assert list(oss.objects) == [f"{PREFIX}.trash/{renamed.key}"]
    assert library.restore(renamed.key).filename == "改过名.png"


def test_temporary_uploads_survive_a_day_of_cleaning(
    library: Library, oss: FakeOss, clock: Clock, in_oss: Settings
) -> None:
    in_oss.output_dir.mkdir()
    (in_oss.output_dir / "画.png").write_bytes(noise_image("png"))
    wanted = [SampleImage(url="/output/画.png", filename="画.png")]
    other = Library(replace(in_oss, samples_dir=in_oss.samples_dir / "other"), clock)
    for hours in (0, 23, 2, 23, 2):
        clock.sleep(hours * 3600)
        library.resolve(wanted, URL)
        clock.sleep(20 * 3600)
        other.refresh()
        assert len(oss.objects) == 1
    assert oss.count("put") == 3


def test_a_refresh_reuses_unchanged_entries(library: Library, oss: FakeOss) -> None:
    for name in ("甲.png", "乙.png", "丙.png"):
        oss.put(PREFIX + name, b"x")
    library.refresh()
    oss.put(f"{PREFIX}甲.png", b"other")
    del oss.objects[f"{PREFIX}乙.png"]
    library.refresh()
    assert {image.key: image.size for image in library.list_images().images} == {"甲.png": 5, "丙.png": 1}
