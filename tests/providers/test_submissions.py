"""Submissions, and how they fail, for every provider."""

from dataclasses import replace
from typing import Any

import pytest

import database
import generator
from app.config import REQUIRED, Settings
from app.domain import BatchStatus, ImageRequest
from app.errors import Billed, ModelError
from tests.harness import open_harness
from tests.providers.services import FAKES, FOX, READERS, failure, opened, size_of
from tools.fakes.clock import Clock
from tools.fakes.service import FakeService

TRICKLE_SECONDS = 60.0  # far beyond the timeout; the whole response would arrive in the end
KEYS = {
    "jimeng": "Access Key ID",
    "seedream": "ARK_API_KEY",
    "bailian": "DASHSCOPE_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "tokenhub": "TOKENHUB_API_KEY",
    "openai": "OPENAI_API_KEY",
    "sdapi": "SDAPI_URL",
}
every_service = pytest.mark.parametrize("service", FAKES, indirect=True)


def test_every_service_is_tried() -> None:
    assert FAKES.keys() == READERS.keys() == REQUIRED.keys() - {"demo"}


def submission_error(service: FakeService, request: ImageRequest = FOX, **settings: object) -> ModelError:
    error = failure(lambda: opened(service, **settings).submit(request, ()))
    assert service.count("submit") == 1
    return error


@every_service
@pytest.mark.parametrize("fault", ["reset", "drop", "cut", "html", "500", "502"])
def test_a_lost_response_is_unknown_and_never_repeated(service: FakeService, fault: str) -> None:
    service.fail_next(fault)
    error = submission_error(service)
    assert (error.billed, error.retryable, error.task_valid) == (Billed.UNKNOWN, False, False)


@every_service
def test_a_submission_with_a_trickling_head_times_out_as_unknown(
    service: FakeService, deadline_clock: Clock
) -> None:
    service.fail_next("drip", seconds=TRICKLE_SECONDS)
    service.observer = lambda event, _call: deadline_clock.sleep(60 if event == "made" else 0)
    error = submission_error(service)
    assert (error.cause, error.billed, error.retryable) == ("network", Billed.UNKNOWN, False)
    assert "等待答复超时" in str(error)


@every_service
def test_throttling_is_free_and_lowers_concurrency(service: FakeService) -> None:
    service.fail_next("busy")
    error = submission_error(service)
    assert (error.cause, error.billed, error.throttled, error.retryable) == ("limit", Billed.NO, True, True)


@every_service
def test_a_refused_key_pauses_is_free_and_is_named(service: FakeService) -> None:
    service.fail_next("key")
    error = submission_error(service)
    assert (error.cause, error.billed, error.retryable) == ("key", Billed.NO, False)
    assert error.pauses_batch
    assert KEYS[service.name] in str(error)


@pytest.mark.parametrize(
    ("service", "prompt", "said"),
    [
        ("jimeng", "违禁的东西", "50412"),
        ("jimeng", "保护词", "50413"),
        ("seedream", "违禁", "提示词"),
        ("openai", "违禁", "moderation_blocked"),
        ("tokenhub", "违禁", "451001"),
    ],
    indirect=["service"],
)
def test_a_refused_prompt_is_final_and_free(service: FakeService, prompt: str, said: str) -> None:
    error = submission_error(service, replace(FOX, prompt=prompt))
    assert (error.cause, error.billed, error.retryable) == ("moderation", Billed.NO, False)
    assert not error.pauses_batch
    assert said in str(error)
    assert service.charges == 0


@pytest.mark.parametrize(
    ("service", "prompt", "cause", "said"),
    [
        ("seedream", "欠费", "key", "充值"),
        ("seedream", "用完", "limit", "额度已用完"),
        ("seedream", "用完", "limit", "5-hour limit"),
        ("gemini", "没钱", "key", "insufficient_user_quota"),
        ("gemini", "没开通", "key", "付费"),
        ("tokenhub", "没钱", "key", "401008"),
        ("openai", "没钱", "key", "insufficient_quota"),
    ],
    indirect=["service"],
)
def test_an_empty_account_pauses_and_is_free(
    service: FakeService, prompt: str, cause: str, said: str
) -> None:
    error = submission_error(service, replace(FOX, prompt=prompt))
    assert (error.cause, error.billed, error.retryable, error.throttled) == (cause, Billed.NO, False, False)
    assert error.pauses_batch
    assert said in str(error)


@pytest.mark.parametrize(
    ("service", "prompt", "advice"),
    [("seedream", "用完", "额度已用完"), ("bailian", "欠费", "充值"), ("bailian", "用完", "免费额度")],
    indirect=["service"],
)
def test_an_empty_account_pauses_the_batch_and_submits_nothing_more(
    settings: Settings, service: FakeService, db: database.Connection, prompt: str, advice: str
) -> None:
    harness = open_harness(settings, service, db)
    batch_id, _ = harness.ask(prompt, prompt)
    assert harness.step()
    batch = database.get_batch(db, batch_id)
    assert batch.status is BatchStatus.PAUSED
    assert advice in str(batch.paused_reason)
    harness.hurry()
    assert not harness.step()
    assert (service.count("submit"), harness.outcomes()) == (1, ["not_billed"])


@pytest.mark.parametrize(
    ("service", "size"),
    [("seedream", (2816, 1584)), ("bailian", (2560, 1440)), ("tokenhub", (2720, 1530))],
    indirect=["service"],
)
def test_the_task_id_is_the_url_of_the_image(
    service: FakeService, model: generator.Provider, size: tuple[int, int]
) -> None:
    task_id = model.submit(FOX, ()).task_id or ""
    assert task_id.startswith(service.address)
    assert size_of(model.fetch(task_id, Clock().sleep).content) == size
    assert service.charges == 1


@pytest.mark.parametrize(
    "service", ["gemini", "openai", "sdapi"], indirect=True
)  # the others: test_prices.py
@pytest.mark.usefixtures("one_picture")
def test_every_size_is_accepted(service: FakeService, model: generator.Provider) -> None:
    for ratio, resolution in model.spec.sizes:
        model.submit(replace(FOX, aspect_ratio=ratio, resolution=resolution), ())
    assert service.charges == len(model.spec.sizes) >= 33


@pytest.mark.parametrize(
    ("service", "size"),
    [
        ("jimeng", "1500x1000"),
        ("seedream", "1500x1000"),
        ("openai", "1536x640"),
        ("bailian", "1500x1000"),
        ("tokenhub", "300x1000"),
        ("sdapi", "1000x800"),
    ],
    indirect=["service"],
)
def test_own_sizes_are_sent_and_made(service: FakeService, model: generator.Provider, size: str) -> None:
    request = ImageRequest.parse({"prompt": "狐狸", "resolution": size})
    assert not model.spec.unsupported(request)
    result = model.submit(model.spec.strip_unsupported(request), ())
    image = result.image or model.fetch(result.task_id or "", Clock().sleep)
    assert "x".join(map(str, size_of(image.content))) == size


@pytest.mark.parametrize("service", ["seedream", "bailian"], indirect=True)
def test_the_visible_mark_is_asked_for_only_when_it_is_wanted(service: FakeService) -> None:
    for wanted in (False, True):
        model = opened(service, watermark=wanted)
        model.submit(FOX, ())
        body: dict[str, Any] = service.submissions[-1].body
        assert body.get("parameters", body)["watermark"] is model.spec.watermark is wanted
