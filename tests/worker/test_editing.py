"""A changed picture whose worker crashes or whose original is gone: paid once, and laid over if it can be."""

from typing import Any

import pytest
from PIL import Image, ImageChops

import database
from app.domain import Record, Status
from app.images import answers, masks, store
from tests.harness import Harness, crash_at, restart_after_crash
from tests.web.harness import post
from tests.worker.conftest import OpenFor
from tools.fakes.jimeng import INPAINT, FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.oss import FakeOss

pytestmark = pytest.mark.sqlite  # no statements of its own kind
REGION = {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.25}


def ordered(harness: Harness, **body: Any) -> tuple[Record, int]:
    """A made picture, and the record of its change, which is queued."""
    client = harness.client()
    order = post(client, "/api/batches", {"rows": [{"prompt": "猫", "resolution": "1K"}]}, 202)
    harness.run()
    original = harness.record(order["records"][0])
    assert original.status is Status.SUCCESS
    body = {"prompt": "花", "region": REGION, **body}
    (changed_id,) = post(client, f"/api/records/{original.id}/edit", body, 202)["records"]
    return original, changed_id


def assert_laid_over(harness: Harness, original: Record, changed: Record) -> None:
    folder = harness.settings.output_dir
    with Image.open(folder / original.filename) as before, Image.open(folder / changed.filename) as after:
        inside = (0, 0, before.width, before.height // 4 - 10)
        pair = [image.convert("RGB").crop(inside) for image in (before, after)]
    assert changed.status is Status.SUCCESS
    assert ImageChops.difference(*pair).getbbox() is None
    assert isinstance(changed.marks["laid"], float)
    assert answers.find(folder, changed.id)


@pytest.mark.parametrize(
    ("where", "name"),
    [(database, "save_task_id"), (answers, "keep"), (store, "save_image"), (database, "finish_record")],
)
def test_a_change_with_a_task_goes_on_where_the_crash_was(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    original, changed_id = ordered(harness, model=INPAINT)
    crash_at(harness, monkeypatch, where=where, name=name)
    restart_after_crash(harness)
    harness.reap()
    harness.run()
    changed = harness.record(changed_id)
    if name == "save_task_id":  # sent, and nobody knows its task
        assert (changed.status, len(harness.service.submissions)) == (Status.UNKNOWN, 2)
    else:
        assert_laid_over(harness, original, changed)
        assert len(harness.service.submissions) == 2


@pytest.mark.parametrize(("where", "name"), [(answers, "keep"), (database, "finish_record")])
def test_a_change_without_a_task_is_found_or_unknown_and_never_sent_again(
    open_for: OpenFor, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    harness = open_for(FakeOpenAIImages)
    original, changed_id = ordered(harness)
    crash_at(harness, monkeypatch, where=where, name=name)
    restart_after_crash(harness)
    harness.reap()
    harness.run()
    changed = harness.record(changed_id)
    assert len(harness.service.submissions) == 2
    if name == "keep":
        assert changed.status is Status.UNKNOWN
    else:
        assert_laid_over(harness, original, changed)


def test_another_machine_finds_picture_mask_and_answer_in_oss(
    open_for: OpenFor, monkeypatch: pytest.MonkeyPatch, oss: FakeOss
) -> None:
    harness = open_for(FakeJimeng, **oss.settings(oss_output_prefix="out/", output_store="oss"))
    _, changed_id = ordered(harness, model=INPAINT)
    crash_at(harness, monkeypatch, where=database, name="finish_record")
    folder = harness.settings.output_dir.with_name("elsewhere")
    folder.mkdir()
    restart_after_crash(harness, output_dir=folder, samples_dir=folder.with_name("others"))
    harness.reap()
    harness.run()
    changed = harness.record(changed_id)
    assert (changed.status, len(harness.service.submissions)) == (Status.SUCCESS, 2)
    assert isinstance(changed.marks["laid"], float)
    with harness.client().get(f"/api/records/{changed_id}/answer") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/png")
    assert [key for key in oss.objects if ".answers/" in key]
    harness.runtime.outputs.delete(changed_id, changed.filename)
    assert [key for key in oss.objects if ".answers/" in key] == []


def test_an_answer_that_cannot_be_laid_over_is_the_picture_and_said(
    open_for: OpenFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = open_for(FakeOpenAIImages)
    _, changed_id = ordered(harness)
    monkeypatch.setattr(masks, "lay_over", lambda *_: None)
    harness.run()
    changed = harness.record(changed_id)
    assert (changed.status, changed.marks["laid"]) == (Status.SUCCESS, False)
    shown = harness.client().get(f"/api/records/{changed_id}").get_json()["record"]["edit"]
    assert ("没能盖回原图" in shown["problem"], shown["answer"]) == (True, "")


def test_the_original_may_be_gone_when_the_answer_comes(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, changed_id = ordered(harness, model=INPAINT)
    crash_at(harness, monkeypatch, where=answers, name="keep")
    store.delete_image(harness.settings.output_dir, original.filename, original.id)
    restart_after_crash(harness)
    harness.reap()
    harness.run()
    changed = harness.record(changed_id)
    assert (changed.status, changed.marks["laid"], len(harness.service.submissions)) == (
        Status.SUCCESS,
        False,
        2,
    )
