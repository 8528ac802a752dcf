"""Malformed responses: every one becomes a ModelError and nothing else."""

import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import database
from app.config import REQUIRED, Settings
from app.domain import ImageRequest, Status
from app.errors import Billed, ModelError
from app.providers import sdapi
from app.providers.bailian import Bailian
from app.providers.error_rules import redacted
from app.providers.http import Response
from app.providers.jimeng import Jimeng
from app.providers.jimeng_errors import fetch_error, key_error, submit_error
from app.providers.openai_images import OpenAIImages
from app.providers.seedream import Seedream
from app.web.i18n import english
from tests.fakes.jimeng import FakeJimeng
from tests.fakes.service import Reply
from tests.harness import Harness
from tests.wording import HAN

_NAMES = (
    "data",
    "error",
    "images",
    "info",
    "code",
    "message",
    "detail",
    "errors",
    "output",
    "ResponseMetadata",
    "status",
)
_INNER = (
    "task_id",
    "status",
    "image_urls",
    "binary_data_base64",
    "Error",
    "CodeN",
    "Code",
    "url",
    "b64_json",
    "choices",
    "message",
    "content",
    "image",
)
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 10000, 10000.0, 1e308, 10**30, "", "10000", "猫", "9" * 5000),
    *([], {}, [[]], [None], [{}], "http://", "http://[", "//x", "data:,", "data:image/png;base64,AAAA"),
    *(
        [{"url": "http://["}],
        [{"url": {"a": 1}}],
        [{"b64_json": "猫"}],
        [{"b64_json": ["x"]}],
        [{"error": "x"}],
    ),
    *({"code": [1], "message": {}}, [{"error": {"code": 5, "message": ["y"]}}], '{"all_seeds": [1]}'),
)
JIMENG = Jimeng(Settings())
READERS: dict[str, Callable[[Response], object]] = {
    "openai": OpenAIImages(Settings())._read,
    "seedream": Seedream(Settings())._read,
    "bailian": Bailian(Settings())._read,
    "sdapi": sdapi._read,
    "jimeng submit": submit_error,
    "jimeng fetch": fetch_error,
    "jimeng key": key_error,
    "jimeng picture": lambda answer: JIMENG._image(answer.fields | {"image_urls": None}),
}


def random_value(dice: random.Random, depth: int = 0) -> Any:
    if depth < 2 and dice.random() < 0.4:
        return {dice.choice(_INNER): random_value(dice, depth + 1) for _ in range(dice.randint(1, 4))}
    return dice.choice(_VALUES)


@pytest.mark.parametrize("reader", READERS)
def test_every_malformed_response_is_a_model_error(reader: str) -> None:
    dice = random.Random(1)
    refused = 0
    for _ in range(4_000):
        body = {dice.choice((*_NAMES, *_INNER)): random_value(dice) for _ in range(dice.randint(0, 4))}
        status = dice.choice((200, 200, 200, 400, 401, 404, 429, 500, 502))
        try:
            found = READERS[reader](Response(status=status, headers={}, content=json.dumps(body).encode()))
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
    content = json.dumps({"images": ["AAAA"], "info": info}).encode()
    assert sdapi._read(Response(status=200, headers={}, content=content)).seed == seed


def test_a_lone_surrogate_in_a_service_message_can_be_stored() -> None:
    assert redacted("cut off in the middle of \ud83d").encode()


SUBMISSIONS: dict[str, Callable[[Response], object]] = {
    "openai": OpenAIImages(Settings())._read,
    "seedream": Seedream(Settings())._read,
    "bailian": Bailian(Settings())._read,
    "sdapi": sdapi._read,
    "jimeng": submit_error,
}


def test_every_service_is_tried() -> None:
    assert SUBMISSIONS.keys() == REQUIRED.keys() - {"demo"}


def outcome(service: str, status: int, body: object) -> ModelError:
    """The error of a response to a submission."""
    try:
        found = SUBMISSIONS[service](Response(status=status, headers={}, content=json.dumps(body).encode()))
    except ModelError as error:
        found = error
    assert isinstance(found, ModelError)
    return found


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


def test_no_error_message_contains_a_lone_surrogate() -> None:
    assert str(ModelError("words \ud83d", cause="service", billed=Billed.NO)) == "words ?"


TIMEOUT_BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"code": 408, "message": "upstream timed out"},
    {"error": {"code": "RequestTimeout", "message": "upstream timed out"}},
    {"detail": "upstream timed out"},
)


@pytest.mark.parametrize("body", TIMEOUT_BODIES, ids=str)
@pytest.mark.parametrize("status", [408, 424, 444, 460, 499])
@pytest.mark.parametrize("service", SUBMISSIONS)
def test_a_proxy_timeout_on_a_submission_is_unknown(service: str, status: int, body: dict[str, Any]) -> None:
    error = outcome(service, status, body)
    assert (error.billed, error.retryable) == (Billed.UNKNOWN, False)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 411, 413, 414, 415, 421, 425, 431, 451])
@pytest.mark.parametrize("service", SUBMISSIONS)
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
@pytest.mark.parametrize("service", SUBMISSIONS)
def test_every_error_can_be_shown_in_english(service: str, status: int) -> None:
    for body in BODIES:
        text = outcome(service, status, body).message.render(
            lambda sentence: english().get(sentence, sentence)
        )
        assert not HAN.search(text)
