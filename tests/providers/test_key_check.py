"""Key checks against each fake: distinct messages, and never a charge."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import generator
from app.config import REQUIRED, Settings
from app.errors import Billed, ModelError
from app.providers.base import KeyCheck
from tests.providers.services import FAKES
from tools.fakes.clock import Clock
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.sdapi import FakeSdApi
from tools.fakes.service import FakeService

# Of each service the step its key check calls, and settings with a wrong key.
SERVICES = {
    "jimeng": ("poll", {"volcengine_sk": "falsch"}),
    "seedream": ("models", {"ark_api_key": "falsch"}),
    "bailian": ("task", {"dashscope_api_key": "falsch"}),
    "gemini": ("models", {"gemini_api_key": "falsch"}),
    "tokenhub": ("task", {"tokenhub_api_key": "falsch"}),
    "openai": ("models", {"openai_api_key": "sk-falsch-falsch"}),
}


def test_every_service_with_a_key_is_tried() -> None:
    assert SERVICES.keys() == REQUIRED.keys() - {"demo", "sdapi"}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Iterator[FakeService]:
    with FAKES[request.param]() as fake:
        yield fake
        assert (fake.charges, fake.submissions, fake.count("submit")) == (0, [], 0)


def checked(settings: Settings, service: FakeService, **more: Any) -> KeyCheck:
    return generator.open_provider(replace(settings, **service.settings(**more))).check_key()


def refusal_of(settings: Settings, service: FakeService, **more: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        checked(settings, service, **more)
    assert caught.value.billed is Billed.NO
    assert "计费" not in str(caught.value)
    return caught.value


def test_a_valid_key_is_verified_with_what_remains_untested(settings: Settings, service: FakeService) -> None:
    result = checked(settings, service)
    assert result.verified
    assert "密钥有效" in str(result.text)
    assert "第一张图" in str(result.text)


def test_a_wrong_key_is_named_and_its_value_is_not(settings: Settings, service: FakeService) -> None:
    wrong = SERVICES[service.name][1]
    problem = refusal_of(settings, service, **wrong)
    assert problem.cause == "key"
    name = "Access Key ID" if service.name == "jimeng" else next(iter(wrong)).upper()  # as its form says
    assert name in str(problem)
    assert "falsch" not in str(problem)


def test_an_unreachable_service_is_reported(settings: Settings) -> None:
    service = FakeJimeng().start()
    stopped = service.settings()
    service.stop()
    with pytest.raises(ModelError, match="连不上即梦"):
        generator.open_provider(replace(settings, **stopped)).check_key()


@pytest.mark.parametrize("kind", ["drop", "cut", "html", "500", "502", "redirect"])
def test_an_inconclusive_response_is_reported_as_such(
    settings: Settings, service: FakeService, kind: str
) -> None:
    service.fail_next(kind, step=SERVICES[service.name][0])
    message = str(refusal_of(settings, service))
    assert "没能测出" in message or "没有答复完" in message or "请检查设置里的服务地址" in message


def test_an_answer_that_is_not_whole_in_time_is_reported(
    settings: Settings, service: FakeService, deadline_clock: Clock
) -> None:
    service.fail_next("drip", step=SERVICES[service.name][0], seconds=60)
    service.observer = lambda event, _call: deadline_clock.sleep(60 if event == "made" else 0)
    assert "没有答复完" in str(refusal_of(settings, service))


@pytest.mark.parametrize(
    ("kind", "options", "verified", "said"),
    [
        pytest.param("openai", {"models": ("chat-1",)}, True, "没有写 gpt-image-2", id="an unlisted model"),
        pytest.param("openai", {"models": None}, False, "OPENAI_BASE_URL", id="no list of models"),
        pytest.param("openai", {"key": ""}, True, "不要密钥", id="no authentication"),
        pytest.param("sdapi", {}, True, "家里的模型.safetensors", id="a local server"),
        pytest.param("sdapi", {"options": None}, False, "连得上", id="a local server without options"),
    ],
)
def test_a_check_says_what_it_found(
    settings: Settings, kind: str, options: dict[str, Any], verified: bool, said: str
) -> None:
    with FAKES[kind](**options) as service:
        result = checked(settings, service)
        assert (result.verified, said in str(result.text)) == (verified, True)
        assert service.submissions == []


@pytest.mark.parametrize(
    ("is_entitled", "req_key", "said"),
    [(False, "jimeng_t2i_v40", "开通"), (True, "jimeng_t2i_v99", "JIMENG_REQ_KEY")],
)
def test_a_jimeng_model_that_is_not_to_be_had_is_told_from_a_wrong_key(
    settings: Settings, is_entitled: bool, req_key: str, said: str
) -> None:
    with FakeJimeng(entitled=is_entitled) as service:
        assert said in str(refusal_of(settings, service, jimeng_req_key=req_key))
        assert service.charges == 0


def test_another_server_at_that_url_is_not_accepted(settings: Settings) -> None:
    with FakeSdApi() as service:
        service.fail_next("html", step="options")
        assert "无法识别" in str(refusal_of(settings, service))


def test_a_throttled_jimeng_check_verifies_the_key(settings: Settings) -> None:
    with FakeJimeng() as service:
        service.fail_next("busy", step="poll")
        assert checked(settings, service).verified


def test_a_local_server_with_a_password_explains_how_to_set_it(settings: Settings) -> None:
    with FakeSdApi(login="anna:geheim") as service:
        assert checked(settings, service).verified
        problem = refusal_of(settings, service, sdapi_url=service.address)
        assert "SDAPI_URL" in str(problem)


def test_the_demo_needs_no_key(settings: Settings) -> None:
    assert "不需要密钥" in str(generator.open_provider(settings).check_key().text)
