"""The fakes themselves: strict where the services are, complete images, a ledger for other processes."""

import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from PIL import Image

from app.config import Settings
from app.domain import ImageRequest
from app.providers.jimeng import Jimeng
from tools.fakes.images import make_image
from tools.fakes.jimeng import FakeJimeng

FOX = ImageRequest(prompt="一只红狐狸")


def call(url: str, content: bytes | None = None, **headers: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url, content, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("form", ["png", "jpeg"])
@pytest.mark.parametrize("weight", [0, 1_000_000])
def test_images_are_complete_and_of_the_requested_size(form: str, weight: int) -> None:
    content = make_image(256, 144, form=form, weight=weight)
    assert weight <= len(content) < weight + 50_000
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.size, image.format) == ((256, 144), form.upper())


def test_no_two_submissions_get_the_same_bytes() -> None:
    assert make_image(8, 8, number=1) != make_image(8, 8, number=2)


@pytest.fixture
def standalone_fake() -> Iterator[str]:
    """The address of a fake running in its own process."""
    command = [sys.executable, "-m", "tools.fakes.jimeng", "--port", "0", "--latency", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


def test_a_standalone_fake_serves_its_ledger(standalone_fake: str) -> None:
    settings = Settings(volcengine_ak="AKLTtest", volcengine_sk="c2VjcmV0", jimeng_endpoint=standalone_fake)
    model = Jimeng(settings)
    model.fetch(model.submit(FOX, ()).task_id or "", lambda _: None)
    _, ledger = call(f"{standalone_fake}/__ledger")
    assert ledger["charges"] == 1
    assert ledger["calls"] == {"submit": 1, "poll": 1, "download": 1}


def test_faults_can_be_requested_from_another_process() -> None:
    with FakeJimeng() as service:
        call(f"{service.address}/__fail", b'{"kind": "busy", "step": "poll"}')
        model = Jimeng(Settings(**service.settings()))
        model.fetch(model.submit(FOX, ()).task_id or "", lambda _: None)
        assert service.count("poll") == 2


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, 100002),
        ("?Action=CVUnknown&Version=2022-08-31", 404, 100008),
        ("?Action=CVSync2AsyncSubmitTask&Version=2020-01-01", 404, 100008),
        ("?Action=CVSync2AsyncSubmitTask&Version=2022-08-31", 401, 100003),
    ],
)
def test_the_gateway_checks_first(query: str, status: int, code: int) -> None:
    with FakeJimeng() as service:
        got, fields = call(f"{service.address}/{query}", b"{}")
    assert got == status
    assert f'"CodeN": {code}' in json.dumps(fields)


@pytest.mark.parametrize(
    "change",
    [
        {"negative_prompt": "x"},
        {"seed": 7},
        {"width": 2048, "height": None},
        {"width": 100, "height": 100},
        {"width": "2048"},
        {"force_single": 1},
        {"scale": 2},
        {"prompt": ""},
        {"image_urls": ["https://example.com/a.png"] * 11},
        {"image_urls": "https://example.com/a.png"},
    ],
)
def test_jimeng_refuses_what_is_not_documented(change: dict[str, object]) -> None:
    with FakeJimeng() as service:
        model = Jimeng(Settings(**service.settings()))
        body = {**model._body(FOX), **change}
        body = {name: value for name, value in body.items() if value is not None}
        answer = model.call(model._client.post, "CVSync2AsyncSubmitTask", body)
        assert (answer.status, answer.fields["code"]) == (400, 50200)
        assert service.submissions == []


def test_a_paused_service_refuses_connections_and_keeps_its_state() -> None:
    with FakeJimeng() as service:
        settings = Settings(**service.settings(model_timeout=60))
        task_id = Jimeng(settings).submit(FOX, []).task_id
        service.stop_listening()
        with pytest.raises(urllib.error.URLError):
            call(f"{service.address}/__ledger")
        service.listen_again()
        _, ledger = call(f"{service.address}/__ledger")
        assert [order["task_id"] for order in ledger["submissions"]] == [task_id]  # type: ignore[attr-defined]
