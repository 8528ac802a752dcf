"""Submissions that fail on the way, for every provider."""

from collections.abc import Iterator

import pytest

import generator
from app.config import REQUIRED, Settings
from app.domain import ImageRequest
from app.errors import Billed, ModelError
from tools.fakes.bailian import FakeBailian
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.sdapi import FakeSdApi
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import FakeService

TRICKLE_SECONDS = 60.0  # far beyond the timeout; the whole response would arrive in the end
FAKES: tuple[type[FakeService], ...] = (FakeJimeng, FakeSeedream, FakeBailian, FakeOpenAIImages, FakeSdApi)


def test_every_service_is_tried() -> None:
    assert {kind.name for kind in FAKES} == REQUIRED.keys() - {"demo"}


@pytest.fixture(params=FAKES, ids=lambda kind: kind.__name__)
def service(request: pytest.FixtureRequest) -> Iterator[FakeService]:
    with request.param() as running:
        yield running


def submission_error(service: FakeService, **settings: object) -> ModelError:
    model = generator.open_provider(Settings(**service.settings(**settings)))
    with pytest.raises(ModelError) as caught:
        model.submit(ImageRequest(prompt="fox", resolution="1K"), ())
    assert service.count("submit") == 1
    return caught.value


@pytest.mark.parametrize("fault", ["reset", "drop", "cut", "html", "500", "502"])
def test_a_lost_response_is_unknown_and_never_repeated(service: FakeService, fault: str) -> None:
    service.fail_next(fault)
    error = submission_error(service)
    assert (error.billed, error.retryable, error.task_valid) == (Billed.UNKNOWN, False, False)


def test_a_submission_with_a_trickling_head_times_out_as_unknown(service: FakeService) -> None:
    service.fail_next("drip", seconds=TRICKLE_SECONDS)
    error = submission_error(service, model_timeout=1)
    assert (error.cause, error.billed, error.retryable) == ("network", Billed.UNKNOWN, False)
    assert "等待答复超时" in str(error)


def test_throttling_is_free_and_lowers_concurrency(service: FakeService) -> None:
    service.fail_next("busy")
    error = submission_error(service)
    assert (error.cause, error.billed, error.throttled, error.retryable) == ("limit", Billed.NO, True, True)
