"""Gemini against its fake: requests, answers without a picture, and what each address bills."""

import base64
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Reference, Status
from app.domain.batches import StopRule
from app.errors import Billed, ModelError
from app.providers.gemini import _MOST_THROTTLED, Gemini
from tests.harness import open_harness
from tests.providers.services import FOX, answer, failure, opened, size_of
from tools.fakes.gemini import FakeGemini

SERVICE = "gemini"
CAT = Reference(filename="a.png", content=b"abc", media_type="image/png")
RESELLER = "https://api.laozhang.ai"
GOOGLE = "https://generativelanguage.googleapis.com"


def at(address: str, **more: Any) -> Gemini:
    return Gemini(Settings(gemini_base_url=address, gemini_api_key="k", **more))


def test_a_submission_sends_exactly_the_requested_fields(service: FakeGemini, model: Gemini) -> None:
    model.submit(replace(FOX, negative_prompt="人物", seed=7, steps=30), [CAT])
    picture = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(b"abc").decode()}}
    assert service.submissions[0].body == {
        "model": "gemini-nano-banana-2.1",
        "contents": [{"role": "user", "parts": [{"text": "一只红狐狸\n画面中不要出现：人物"}, picture]}],
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        },
    }


def test_the_last_image_is_taken_and_no_draft(model: Gemini) -> None:
    image = model.submit(replace(FOX, resolution="1K"), ()).image
    assert image
    assert size_of(image.content) == (1344, 752)


@pytest.mark.parametrize("model_id", ["gemini-3.1-flash-lite-image", "gemini-2.5-flash-image"])
def test_no_size_is_asked_of_a_model_that_may_not_take_it(service: FakeGemini, model_id: str) -> None:
    model = opened(service, gemini_image_model=model_id)
    assert {resolution for _, resolution in model.spec.sizes} == {"1K"}
    model.submit(replace(FOX, resolution="1K"), ())
    assert service.submissions[0].body["generationConfig"]["imageConfig"] == {"aspectRatio": "16:9"}


@pytest.mark.parametrize("is_google", [True, False])
@pytest.mark.parametrize("ending", ["", "/v1beta"])
def test_the_key_is_sent_as_each_address_reads_it(
    monkeypatch: pytest.MonkeyPatch, is_google: bool, ending: str
) -> None:
    """Google takes no key as a bearer token; a reseller reads only that."""
    with FakeGemini(is_google=is_google) as service:
        if is_google:
            monkeypatch.setattr("app.providers.gemini._GOOGLE", "127.0.0.1")
        assert opened(service, gemini_base_url=f"{service.address}{ending}").submit(FOX, ()).image
        assert service.charges == 1


@pytest.mark.parametrize(
    ("prompt", "cause", "said"),
    [
        ("违禁", "moderation", "没有通过审核"),
        ("像真人", "moderation", "我先说说想法"),
        ("不画", "request", "NO_IMAGE"),
        ("闲聊", "request", "我先说说想法"),
    ],
)
def test_an_answer_without_an_image_is_final_and_may_be_billed(
    service: FakeGemini, model: Gemini, prompt: str, cause: str, said: str
) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt=prompt), ()))
    assert (error.cause, error.billed, error.retryable) == (cause, Billed.UNKNOWN, False)
    assert not error.pauses_batch
    assert said in str(error)


def test_a_limited_account_pauses(model: Gemini) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt="受限"), ()))
    assert (error.cause, error.billed, error.pauses_batch) == ("key", Billed.UNKNOWN, True)


def refused_by(address: str, status: int, fields: dict[str, Any]) -> ModelError:
    return failure(lambda: at(address)._read(answer(status, fields)))


def test_the_reseller_that_says_so_bills_an_answer_without_an_image_and_nothing_else() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    failed = {"error": {"code": 500, "status": "INTERNAL", "message": "words"}}
    assert refused_by(RESELLER, 200, blocked).billed is Billed.YES
    assert refused_by(GOOGLE, 200, blocked).billed is Billed.UNKNOWN
    free, paid = refused_by(RESELLER, 500, failed), refused_by(GOOGLE, 500, failed)
    assert (free.billed, free.retryable) == (Billed.NO, True)
    assert (paid.billed, paid.retryable) == (Billed.UNKNOWN, False)


def test_a_billed_refusal_is_booked_and_never_sent_again(
    settings: Settings, service: FakeGemini, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.providers.gemini._BILLS_REFUSALS", ("127.0.0.1",))
    harness = open_harness(replace(settings, gemini_price=Decimal("0.30")), service, db)
    record = harness.make("不画")
    assert (record.status, record.cost) == (Status.FAILED, Decimal("0.30"))
    harness.hurry()
    assert not harness.step()
    assert (service.count("submit"), harness.outcomes()) == (1, ["billed"])


def test_a_run_of_answers_without_an_image_pauses_the_batch(
    settings: Settings, service: FakeGemini, db: database.Connection
) -> None:
    harness = open_harness(settings, service, db)
    rows = [ImageRequest(prompt="不画")] * 40
    batch_id, ids = harness.submit(rows, stop_rule=StopRule())
    harness.run()
    batch = database.get_batch(db, batch_id)
    assert batch.status is BatchStatus.PAUSED
    assert "没有成功" in str(batch.paused_reason)
    assert service.count("submit") == service.charges < len(ids) / 2


def test_the_charge_is_what_google_reports(
    settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.providers.gemini._GOOGLE", "127.0.0.1")
    with FakeGemini(is_google=True) as service:
        harness = open_harness(replace(settings, usd_cny=service.rate), service, db)
        record = harness.make("猫")
        bill = round(service.bill(service.submissions[0]), 6)
        estimate = harness.engine.spec.price(record.request)
    assert (record.status, record.cost) == (Status.SUCCESS, bill)
    assert estimate == Decimal("0.0504") * service.rate < bill


@pytest.mark.parametrize(
    ("model_id", "address", "rate", "is_priced"),
    [
        ("gemini-3-pro-image", GOOGLE, Decimal(7), True),
        ("gemini-3-pro-image", GOOGLE, None, False),
        ("gemini-3-pro-image", RESELLER, Decimal(7), False),
        ("gemini-9", GOOGLE, Decimal(7), False),
    ],
)
def test_only_google_has_a_list_price(
    model_id: str, address: str, rate: Decimal | None, is_priced: bool
) -> None:
    spec = at(address, gemini_image_model=model_id, usd_cny=rate).spec
    assert spec.is_priced is is_priced
    assert ("填它每张的价格" in spec.setup.about) is (address == RESELLER)


def test_a_set_price_counts_references_in() -> None:
    spec = at(GOOGLE, usd_cny=Decimal(7), price_per_image=Decimal("0.5")).spec
    assert (set(spec.prices.values()), spec.price_extra_reference) == ({Decimal("0.5")}, Decimal(0))


def test_too_many_refusals_in_a_row_may_be_a_spending_cap(service: FakeGemini, model: Gemini) -> None:
    service.fail_next("busy", times=_MOST_THROTTLED + 2)
    errors = [
        failure(lambda: model.submit(ImageRequest(prompt="猫"), ())) for _ in range(_MOST_THROTTLED + 2)
    ]
    assert [error.pauses_batch for error in errors] == [False] * _MOST_THROTTLED + [True, False]
    assert "花费上限" in str(errors[-2])
