"""A record keeps what its picture was asked to show and what its file was found to carry."""

from dataclasses import replace
from typing import Any

import pytest

import database
import generator
from app.domain import Status
from tests.harness import Harness, restart_after_crash
from tests.worker.conftest import OpenFor
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import FakeService
from tools.marked_images import FIELDS, with_chunk, with_xmp, xmp

pytestmark = pytest.mark.sqlite  # no statements of its own kind

FOUND = {"aigc": {"place": "xmp", "fields": FIELDS}, "c2pa": False}
NOTHING = {"aigc": False, "c2pa": False}


@pytest.fixture
def seedream(open_for: OpenFor) -> Harness:
    return open_for(FakeSeedream)


def draws(service: FakeService, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let the service return these bytes."""
    monkeypatch.setattr(service, "image_of", lambda _order: content)


@pytest.mark.parametrize("asked", [False, True])
def test_a_picture_is_stored_with_its_marks(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    harness.restart(watermark=asked)
    draws(harness.service, monkeypatch, with_xmp("png", xmp()))
    assert harness.make("猫").marks == {"visible": asked, **FOUND}


def test_what_the_service_says_of_the_implicit_mark_stands_beside_what_the_file_has(harness: Harness) -> None:
    harness.restart(jimeng_aigc_producer="91110108MA01")
    assert harness.make("猫").marks == {"visible": False, "tagged": True, **NOTHING}


def test_a_service_without_the_switch_was_asked_nothing(byte_harness: Harness) -> None:
    byte_harness.restart(watermark=True)
    assert byte_harness.make("猫").marks == {"visible": None, **NOTHING}


def test_a_record_without_a_picture_was_not_looked_at(harness: Harness) -> None:
    record = harness.make("违禁")
    assert (record.status, record.marks) == (Status.FAILED, {"visible": None, "aigc": None, "c2pa": None})


def test_what_was_asked_at_the_submission_holds_after_a_restart_with_another_setting(
    seedream: Harness,
) -> None:
    seedream.restart(watermark=True)
    died = seedream.crash(generator, "fetch")
    restart_after_crash(seedream, watermark=False)
    assert seedream.step()
    record = seedream.record(died.id)
    assert (record.status, record.marks["visible"]) == (Status.SUCCESS, True)
    assert [order.body["watermark"] for order in seedream.service.submissions] == [True]


def test_what_is_asked_when_fetching_is_what_the_record_tells(harness: Harness) -> None:
    died = harness.crash(generator, "fetch")
    restart_after_crash(harness, watermark=True)
    assert harness.step()
    record = harness.record(died.id)
    assert (record.status, record.marks["visible"]) == (Status.SUCCESS, True)


def test_marks_are_found_again_in_a_file_that_was_saved_before_a_crash(
    seedream: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    seedream.restart(watermark=True)
    draws(seedream.service, monkeypatch, with_xmp("png", xmp()))
    died = seedream.crash(database, "finish_record")
    restart_after_crash(seedream)
    assert seedream.step()
    record = seedream.record(died.id)
    assert (record.status, record.marks) == (Status.SUCCESS, {"visible": True, **FOUND})
    assert seedream.service.count("download") == 1


@pytest.mark.parametrize("value", [b"{", b'{"Label":"\\ud800"}', b"\xff" * 70_000, b"[" * 99_999])
def test_a_damaged_mark_never_fails_a_paid_picture(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, value: bytes
) -> None:
    draws(harness.service, monkeypatch, with_chunk(b"tEXt", b"AIGC\x00" + value))
    record = harness.make("猫")
    assert (record.status, record.marks["aigc"]["place"]) == (Status.SUCCESS, "png")


@pytest.mark.parametrize("stored", ["[]", '{"aigc": 5, "visible": "yes"}', '{"aigc": {"fields": [1]}}', "{"])
def test_marks_written_by_another_program_are_read(harness: Harness, stored: str) -> None:
    record = harness.make("猫")
    harness.db.execute("UPDATE generation_records SET marks = ?", [stored])
    marks: dict[str, Any] = dict(harness.record(record.id).marks)
    assert marks.keys() == {"visible", "aigc", "c2pa"}
    assert replace(harness.record(record.id), marks={}) == replace(record, marks={})
