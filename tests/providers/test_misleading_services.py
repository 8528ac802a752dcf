"""Malformed responses: every one becomes a ModelError and nothing else."""

import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, Status
from app.errors import Billed, ModelError
from app.providers.error_rules import redacted
from app.providers.http import Response
from app.providers.jimeng import Jimeng
from app.providers.jimeng_errors import fetch_error, key_error
from app.providers.openai_images import OpenAIImages
from app.providers.sdapi import SdApi
from app.web.i18n import english
from tests.harness import Harness
from tests.providers.services import READERS, answer, outcome
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.service import Reply
from tools.wording import HAN

_NAMES = [
    *("data", "error", "images", "info", "code", "message", "detail", "errors", "output", "status"),
    "ResponseMetadata",
]
_INNER = [
    *("task_id", "status", "image_urls", "binary_data_base64", "Error", "CodeN", "Code"),
    *("url", "b64_json", "choices", "message", "content", "image"),
    *("candidates", "promptFeedback", "delta", "parts", "inlineData", "details", "usageMetadata"),
]
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 10000, 10000.0, 1e308, 10**30, "", "10000", "猫", "9" * 5000),
    *([], {}, [[]], [None], [{}], "http://", "http://[", "//x", "data:,", "data:image/png;base64,AAAA"),
    *([{"url": "http://["}], [{"url": {"a": 1}}], [{"b64_json": "猫"}], [{"b64_json": ["x"]}]),
    [{"error": "x"}],
    *({"code": [1], "message": {}}, [{"error": {"code": 5, "message": ["y"]}}], '{"all_seeds": [1]}'),
)
JIMENG = Jimeng(Settings())
ALL_READERS: dict[str, Callable[[Response], object]] = READERS | {
    "free sdapi": SdApi(Settings())._read,
    "jimeng fetch": fetch_error,
    "jimeng key": key_error,
    "jimeng picture": lambda found: JIMENG._image(found.fields | {"image_urls": None}),
}


def random_value(dice: random.Random, depth: int = 0) -> Any:
    if depth < 2 and dice.random() < 0.4:
        return {dice.choice(_INNER): random_value(dice, depth + 1) for _ in range(dice.randint(1, 4))}
    return dice.choice(_VALUES)


@pytest.mark.parametrize("reader", ALL_READERS)
def test_every_malformed_response_is_a_model_error(reader: str) -> None:
    dice = random.Random(1)
    refused = 0
    for _ in range(1_000):
        body = {dice.choice((*_NAMES, *_INNER)): random_value(dice) for _ in range(dice.randint(0, 4))}
        status = dice.choice((200, 200, 200, 400, 401, 404, 429, 500, 502))
        try:
            found = ALL_READERS[reader](answer(status, body))
        except ModelError as error:
            found = error
        refused += isinstance(found, ModelError)
    assert refused


def test_a_key_that_cannot_be_a_header_is_not_charged() -> None:
    model = OpenAIImages(Settings(openai_api_key="密钥", openai_base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(ModelError) as caught:
        model.submit(ImageRequest(prompt="猫"), ())
    assert caught.value.billed is Billed.NO


@pytest.mark.parametrize(
    ("info", "seed"),
    [("[" * 100_000, None), ('{"all_seeds": [1' + "0" * 30 + "]}", None), ('{"seed": 7}', 7)],
)
def test_an_invalid_seed_from_a_local_server_loses_no_image(info: str, seed: int | None) -> None:
    made = SdApi(Settings())._read(answer(200, {"images": ["AAAA"], "info": info}))
    assert made.image == GeneratedImage(content=bytes(3), seed=seed)


def test_a_lone_surrogate_in_a_service_message_can_be_stored() -> None:
    assert redacted("cut off in the middle of \ud83d").encode()


class LoneSurrogates(FakeJimeng):
    """Returns a task id that is not valid UTF-8."""

    def _submit(self, body: dict[str, Any]) -> Reply:
        super()._submit(body)
        fields = {"code": 10000, "data": {"task_id": "task-\ud83d"}, "message": "Success"}
        return Reply(content=json.dumps(fields).encode())


def test_an_invalid_task_id_makes_the_result_unknown_and_is_logged(
    settings: Settings, db: database.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings.output_dir.mkdir()
    with LoneSurrogates() as service:
        harness = Harness(replace(settings, **service.settings()), service, db)
        record = harness.make("猫")
        assert (record.status, harness.outcomes()) == (Status.UNKNOWN, ["unknown"])
        assert "task-\\ud83d" in str(record.error)
        assert "task-\\\\ud83d" in caplog.text
        harness.hurry()
        assert not harness.step()
        assert service.count("submit") == 1


TIMEOUT_BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"code": 408, "message": "upstream timed out"},
    {"error": {"code": "RequestTimeout", "message": "upstream timed out"}},
    {"detail": "upstream timed out"},
)


@pytest.mark.parametrize("body", TIMEOUT_BODIES, ids=str)
@pytest.mark.parametrize("status", [408, 424, 444, 460, 499])
@pytest.mark.parametrize("service", READERS)
def test_a_proxy_timeout_on_a_submission_is_unknown(service: str, status: int, body: dict[str, Any]) -> None:
    error = outcome(service, status, body)
    assert (error.billed, error.retryable) == (Billed.UNKNOWN, False)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 411, 413, 414, 415, 421, 425, 431, 451])
@pytest.mark.parametrize("service", READERS)
def test_a_request_the_proxy_did_not_forward_is_free(service: str, status: int) -> None:
    assert outcome(service, status, {"message": "not here"}).billed is Billed.NO


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_error_before_a_local_server_is_unknown(status: int) -> None:
    assert outcome("sdapi", status, {"detail": "bad gateway"}).billed is Billed.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "insufficient_quota"),
        (429, "insufficient_user_quota"),
        (429, "QuotaExceeded"),
        (403, "billing_not_active"),
        (402, "Payment Required"),
    ],
)
def test_an_exhausted_account_of_a_compatible_service_pauses(status: int, code: str) -> None:
    error = outcome("openai", status, {"error": {"code": code, "message": "no credit"}})
    assert (error.billed, error.pauses_batch, error.retryable) == (Billed.NO, True, False)


BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"code": 50411},
    {"ResponseMetadata": {"Error": {"CodeN": 100009, "Code": "InvalidCredential"}}},
    {"error": {"code": "QuotaExceeded", "message": "used up"}},
    {"code": "Arrearage", "message": "overdue"},
    {"error": {"code": "InvalidParameter", "message": "too large"}},
    {"detail": "out of memory"},
)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 404, 408, 429, 500])
@pytest.mark.parametrize("service", READERS)
def test_every_error_can_be_shown_in_english(service: str, status: int) -> None:
    for body in BODIES:
        text = outcome(service, status, body).message.render(
            lambda sentence: english().get(sentence, sentence)
        )
        assert not HAN.search(text)


@pytest.mark.parametrize("service", READERS)
def test_no_answer_with_status_200_proves_that_nothing_was_billed(service: str) -> None:
    errors = [outcome(service, 200, body) for body in BODIES]
    assert {(error.billed, error.retryable) for error in errors} == {(Billed.UNKNOWN, False)}


@pytest.mark.parametrize(("service", "count"), [("seedream", "generated_images"), ("bailian", "image_count")])
def test_a_refusal_that_reports_a_picture_may_be_billed(service: str, count: str) -> None:
    said = {"code": "InvalidParameter", "message": "too large"}
    for made, billed in ((0, Billed.NO), (1, Billed.UNKNOWN)):
        body = {**said, "error": said, "usage": {count: made}}
        assert outcome(service, 400, body).billed is billed


@pytest.mark.parametrize("service", READERS)
def test_what_would_refuse_every_row_pauses_also_with_status_200(service: str) -> None:
    pausing = [outcome(service, 200, body).pauses_batch for body in BODIES]
    assert any(pausing) is (service != "sdapi")  # it has no such answer


_ADDRESS = "https://images.example.com/1.png"
IMAGES: dict[str, dict[str, Any]] = {
    "openai": {"data": [{"url": _ADDRESS}]},
    "seedream": {"data": [{"url": _ADDRESS, "error": {"code": "ContentSecurityDetectionError"}}]},
    "bailian": {"output": {"choices": [{"message": {"content": [{"image": _ADDRESS}]}}]}},
    "gemini": {"candidates": [{"content": {"parts": [{"inlineData": {"data": "AAAA"}}]}}]},
    "tokenhub": {"choices": [{"delta": {"image": {"url": _ADDRESS}}}]},
    "sdapi": {"images": ["AAAA"], "detail": "out of memory"},
    "jimeng": {"data": {"task_id": "7"}},
}


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("service", READERS)
def test_an_image_is_taken_whatever_error_stands_beside_it(service: str, status: int) -> None:
    for error in BODIES:
        assert READERS[service](answer(status, {**error, **IMAGES[service]}))


@pytest.mark.parametrize("service", ["openai", "seedream", "bailian", "tokenhub", "jimeng"])
def test_an_address_or_task_id_that_is_too_long_is_no_answer(service: str) -> None:
    text = json.dumps({**({"code": 10000} if service == "jimeng" else {}), **IMAGES[service]})
    for short, more in ((_ADDRESS, "x"), ('"7', "7")):
        text = text.replace(short, short + more * 8192)
    assert outcome(service, 200, json.loads(text)).billed is Billed.UNKNOWN


def test_only_what_looks_like_a_key_is_redacted() -> None:
    said = "no sketches in /home/skywalker and akimbo-style"
    assert redacted(said) == said
    keys = "key sk-0123456789, ak_abcdef1, sk****wxyz12 and AKLTabcdefgh"
    assert redacted(keys) == "key ***, ***, *** and ***"
