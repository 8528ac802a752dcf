"""The local library of reference images: kept once, found by name, handed to a model as bytes."""

import os
from pathlib import Path
from urllib.parse import unquote

import pytest

import pictures
import sample_images
from config import Settings
from domain import LibraryImage, SampleImage
from errors import InvalidRequest, NotFound, StorageError
from tests.drawn import drawn


def add(settings: Settings, filename: str, content: bytes | None = None) -> LibraryImage:
    upload = pictures.checked_upload(filename, content or drawn("png", size=(400, 200)))
    return sample_images.add_sample_image(settings, upload)


def filenames(settings: Settings, search: str = "") -> list[str]:
    return [image.filename for image in sample_images.list_sample_images(settings, search)]


def reference(settings: Settings, url: str) -> bytes:
    (made,) = sample_images.references(settings, [SampleImage(url=url, filename="猫")])
    assert made.content is not None
    assert made.url is None
    return made.content


def test_a_library_that_is_not_there_yet_is_empty(settings: Settings) -> None:
    assert sample_images.list_sample_images(settings) == []


def test_an_added_picture_is_listed_with_all_that_a_page_shows(settings: Settings) -> None:
    image = add(settings, "红 #1 100%.png")
    assert sample_images.list_sample_images(settings) == [image]
    assert (image.filename, image.width, image.height) == ("红 #1 100%.png", 400, 200)
    assert image.url.startswith("/samples/files/%E7%BA%A2%20%231%20100%25-400x200-")
    assert unquote(image.url.removeprefix(sample_images.FILES_URL)) == image.key
    assert unquote(image.thumbnail_url.removeprefix(sample_images.THUMBNAILS_URL)) == image.key


def test_file_and_thumbnail_are_handed_out_by_key(settings: Settings) -> None:
    content = drawn("jpeg", size=(400, 200))
    image = add(settings, "猫.jpg", content)
    assert sample_images.open_sample_image(settings, image.key).read_bytes() == content
    thumbnail = sample_images.open_sample_thumbnail(settings, image.key)
    assert thumbnail.read_bytes()[8:12] == b"WEBP"


def test_the_newest_comes_first(settings: Settings) -> None:
    for age, name in enumerate(["c", "a", "b"]):
        image = add(settings, name)
        os.utime(settings.samples_dir / image.key, (1_000 - age, 1_000 - age))
    assert filenames(settings) == ["c.png", "a.png", "b.png"]


@pytest.mark.parametrize("search", ["", "红", "CAT", "ｃａｔ", "  cat ", "t.p", "Ⅰ"])
def test_search_folds_letters_case_and_width(settings: Settings, search: str) -> None:
    add(settings, "红Cat.png" if search != "Ⅰ" else "部分 I")
    assert len(filenames(settings, search)) == 1
    assert filenames(settings, "400") == []


def test_the_same_picture_is_kept_once_whatever_its_name(settings: Settings) -> None:
    content = drawn("png")
    assert add(settings, "猫", content) == add(settings, "另一个名字", content)
    assert filenames(settings) == ["猫.png"]


def test_different_pictures_may_have_the_same_name(settings: Settings) -> None:
    add(settings, "猫")
    add(settings, "猫")
    assert filenames(settings) == ["猫.png", "猫.png"]


def test_the_longest_name_can_be_kept(settings: Settings) -> None:
    image = add(settings, "猫" * 200)
    assert sample_images.open_sample_thumbnail(settings, image.key).is_file()


def test_a_deleted_picture_is_gone_until_it_is_restored(settings: Settings) -> None:
    image = add(settings, "猫")
    sample_images.delete_sample_image(settings, image.key)
    assert filenames(settings) == []
    with pytest.raises(NotFound):
        sample_images.open_sample_image(settings, image.key)
    assert sample_images.restore_sample_image(settings, image.key) == image
    assert sample_images.restore_sample_image(settings, image.key) == image
    assert sample_images.list_sample_images(settings) == [image]


def test_restoring_keeps_the_place_in_the_list(settings: Settings) -> None:
    old, new = add(settings, "旧"), add(settings, "新")
    os.utime(settings.samples_dir / old.key, (1_000, 1_000))
    sample_images.delete_sample_image(settings, old.key)
    sample_images.restore_sample_image(settings, old.key)
    assert sample_images.list_sample_images(settings) == [new, old]


def test_what_was_deleted_may_be_uploaded_again(settings: Settings) -> None:
    content = drawn("png")
    sample_images.delete_sample_image(settings, add(settings, "猫", content).key)
    assert add(settings, "猫", content) in sample_images.list_sample_images(settings)


def test_files_put_there_by_hand_are_listed_too(settings: Settings) -> None:
    settings.samples_dir.mkdir()
    (settings.samples_dir / "手放的.JPG").write_bytes(drawn("jpeg"))
    (image,) = sample_images.list_sample_images(settings)
    assert (image.filename, image.width, image.height) == ("手放的.JPG", None, None)
    assert image.thumbnail_url == image.url
    assert sample_images.open_sample_thumbnail(settings, image.key).name == "手放的.JPG"


def test_only_pictures_with_a_sayable_name_are_listed(settings: Settings) -> None:
    settings.samples_dir.mkdir()
    for name in (b"notes.txt", b"page.html", b".hidden.png", b"\xc3\xa8.png\xff.png"):
        Path(os.fsdecode(os.fsencode(settings.samples_dir) + b"/" + name)).touch()
    (settings.samples_dir / "folder.png").mkdir()
    assert filenames(settings) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "..",
        "../secret.png",
        "/etc/passwd",
        "a/b.png",
        "a\\b.png",
        "C:secret.png",
        ".trash/x.png",
        ".hidden.png",
        "notes.txt",
        "link.png",
        "no\x00.png",
        "没有.png",
        "long" * 100 + ".png",
    ],
)
def test_a_key_leads_nowhere_else(settings: Settings, key: str) -> None:
    settings.samples_dir.mkdir()
    secret = settings.samples_dir.parent / "secret.png"
    secret.write_bytes(drawn("png"))
    (settings.samples_dir / "link.png").symlink_to(secret)
    (settings.samples_dir / ".hidden.png").touch()
    (settings.samples_dir / "notes.txt").touch()
    for reach in (
        sample_images.open_sample_image,
        sample_images.open_sample_thumbnail,
        sample_images.delete_sample_image,
        sample_images.restore_sample_image,
    ):
        with pytest.raises(NotFound):
            reach(settings, key)
    assert secret.is_file()


def test_a_library_that_is_no_folder_is_told(settings: Settings) -> None:
    settings.samples_dir.write_text("a file stands in the way")
    with pytest.raises(StorageError, match="打不开"):
        add(settings, "猫")


def test_a_crash_while_writing_leaves_nothing_in_the_list(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="磁盘空间"):
        add(settings, "猫")
    assert [path for path in settings.samples_dir.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("url", ["https://example.com/a.png?sig=1", "http://example.com/output/a.png"])
def test_public_addresses_are_passed_on_as_they_are(settings: Settings, url: str) -> None:
    (made,) = sample_images.references(settings, [SampleImage(url=url, filename="a.png")])
    assert (made.filename, made.url, made.content) == ("a.png", url, None)


@pytest.mark.parametrize(
    ("picture_format", "media_type"), [("png", "image/png"), ("jpeg", "image/jpeg"), ("webp", "image/webp")]
)
def test_pictures_of_the_library_become_bytes(
    settings: Settings, picture_format: str, media_type: str
) -> None:
    content = drawn(picture_format)
    image = add(settings, "红 #1 100%", content)
    (made,) = sample_images.references(settings, [SampleImage(url=image.url, filename=image.filename)])
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
def test_kept_pictures_may_be_references_too(settings: Settings, url: str) -> None:
    settings.output_dir.mkdir()
    content = drawn("png")
    (settings.output_dir / "猫 100% #1.png").write_bytes(content)
    assert reference(settings, url) == content


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
def test_a_reference_that_is_not_here_is_named(settings: Settings, url: str) -> None:
    (settings.samples_dir.parent / "secret.png").write_bytes(drawn("png"))
    settings.output_dir.mkdir()
    with pytest.raises(InvalidRequest, match="「红猫」找不到") as caught:
        sample_images.references(settings, [SampleImage(url=url, filename="红猫")])
    assert caught.value.field == "sample_images"


def test_a_reference_that_is_no_picture_is_named(settings: Settings) -> None:
    settings.samples_dir.mkdir()
    (settings.samples_dir / "假.png").write_bytes(b"<html>")
    with pytest.raises(InvalidRequest, match="「红猫」不是"):
        sample_images.references(settings, [SampleImage(url="/samples/files/假.png", filename="红猫")])
