"""The AUTOMATIC1111 API against its fake."""

import base64
from dataclasses import replace

from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, Reference
from app.errors import Billed
from app.providers.sdapi import SdApi
from tests.providers import services
from tests.providers.services import answer, failure, opened, size_of
from tools.fakes.images import make_image
from tools.fakes.sdapi import RANDOM_SEED, FakeSdApi

SERVICE = "sdapi"
FOX = replace(services.FOX, prompt="a red fox", resolution="1K")
PNG = make_image(8, 8)


def made(model: SdApi, request: ImageRequest = FOX) -> GeneratedImage:
    found = model.submit(request, ()).image
    assert found
    return found


def test_the_image_comes_with_the_response(model: SdApi) -> None:
    assert size_of(made(model).content) == (1280, 720)


def test_every_option_has_its_own_field(service: FakeSdApi, model: SdApi) -> None:
    model.submit(replace(FOX, negative_prompt="people", seed=7, steps=30), ())
    assert service.submissions[0].body == {
        "prompt": "a red fox",
        "negative_prompt": "people",
        "seed": 7,
        "steps": 30,
        "width": 1280,
        "height": 720,
        "batch_size": 1,
        "n_iter": 1,
    }


def test_steps_are_left_to_the_server_unless_given(service: FakeSdApi, model: SdApi) -> None:
    model.submit(FOX, ())
    assert "steps" not in service.submissions[0].body


def test_the_seed_actually_used_is_returned(model: SdApi) -> None:
    assert made(model).seed == RANDOM_SEED
    assert made(model, replace(FOX, seed=7)).seed == 7


def test_a_response_without_info_is_accepted() -> None:
    with FakeSdApi(empty_info=True) as service:
        assert made(opened(service)).seed is None


def test_a_grid_image_is_skipped() -> None:
    with FakeSdApi(with_grid=True) as service:
        assert made(opened(service)).content.startswith(b"\x89PNG")


def test_one_reference_uses_img2img(service: FakeSdApi, model: SdApi) -> None:
    model.submit(FOX, [Reference(filename="a.png", content=PNG)])
    assert service.calls[0][1].path == "/sdapi/v1/img2img"
    assert service.submissions[0].body["init_images"] == [base64.b64encode(PNG).decode()]


def test_credentials_in_the_url_are_used_and_redacted() -> None:
    with FakeSdApi(login="anna:s3cret") as service:
        assert made(opened(service)).content
        wrong = opened(service, sdapi_url=service.address.replace("://", "://anna:wr0ng@"))
        error = failure(lambda: wrong.submit(FOX, ()))
    assert error.pauses_batch
    assert "wr0ng" not in str(error)


def test_a_password_that_the_server_quotes_is_redacted() -> None:
    model = SdApi(Settings(sdapi_url="http://anna:s3%40cret@127.0.0.1:9"))
    token = base64.b64encode(b"anna:s3@cret").decode()
    said = {"detail": f"no http://anna:s3%40cret@127.0.0.1, s3@cret or Basic {token}"}
    error = failure(lambda: model._read(answer(500, said)))
    assert "no http://anna:***@127.0.0.1, *** or Basic ***" in str(error)


def test_a_server_without_the_interface_pauses(service: FakeSdApi) -> None:
    error = failure(lambda: opened(service, sdapi_url=f"{service.address}/elsewhere").submit(FOX, ()))
    assert error.pauses_batch
    assert "--api" in str(error)


def test_a_field_the_server_refuses_is_quoted(model: SdApi) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt="校验"), ()))
    assert (error.cause, error.billed, error.retryable) == ("request", Billed.NO, False)
    assert "prompt is odd" in str(error)


def test_a_server_error_message_is_quoted(model: SdApi) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt="崩"), ()))
    assert (error.cause, error.billed) == ("service", Billed.NO)
    assert "no memory" in str(error)


def test_there_is_nothing_to_fetch(model: SdApi) -> None:
    assert failure(lambda: model.fetch("x", lambda _: None)).cause == "expired"
