"""Secrets: whatever fails, no key is in a page, a log, a response or a file."""

import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.config import REQUIRED, Settings
from app.runtime import Runtime
from tests.harness import run_once
from tools.fakes.bailian import FakeBailian
from tools.fakes.gemini import FakeGemini
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.oss import FakeOss
from tools.fakes.sdapi import FakeSdApi
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import FakeService
from tools.fakes.tokenhub import FakeTokenHub
from tools.noise_images import noise_image
from web_app import create_app

MARKER = "MARKED7f3a"
PASSWORD = f"{MARKER}-password"
KEYS: dict[str, Any] = {
    name: f"sk-{MARKER}-{name}"
    for name in (
        "volcengine_ak",
        "volcengine_sk",
        "ark_api_key",
        "dashscope_api_key",
        "gemini_api_key",
        "tokenhub_api_key",
        "openai_api_key",
        "oss_access_key_secret",
    )
} | {"notify_url": f"http://127.0.0.1:9/hook/{MARKER}?access_token={MARKER}"}
SERVICES: dict[str, Callable[[], FakeService]] = {
    "jimeng": lambda: FakeJimeng(access_key=KEYS["volcengine_ak"], secret_key=KEYS["volcengine_sk"]),
    "seedream": lambda: FakeSeedream(key=KEYS["ark_api_key"]),
    "bailian": lambda: FakeBailian(key=KEYS["dashscope_api_key"]),
    "gemini": lambda: FakeGemini(key=KEYS["gemini_api_key"]),
    "tokenhub": lambda: FakeTokenHub(key=KEYS["tokenhub_api_key"]),
    "openai": lambda: FakeOpenAIImages(key=KEYS["openai_api_key"]),
    "sdapi": lambda: FakeSdApi(login=f"studio:{MARKER}"),
}
FAULTS = ("key", "reset", "drop", "cut", "html", "500", "502", "busy", "redirect")
PROMPTS = ("猫", "违禁", "画崩")


LONG = ("seedream", "bailian", "tokenhub", "openai", "sdapi")


@pytest.fixture(params=["jimeng", "gemini", *(pytest.param(name, marks=pytest.mark.rest) for name in LONG)])
def service(request: pytest.FixtureRequest) -> Iterator[FakeService]:
    with SERVICES[request.param]() as fake:
        yield fake


def secret_settings(settings: Settings, service: FakeService, **more: Any) -> Settings:
    """Settings for the service, with every key set to a marked value."""
    fields = KEYS | service.settings(model_timeout=1, access_password=PASSWORD)
    return replace(settings, **fields | more)


def cause_failures(settings: Settings, service: FakeService) -> FlaskClient:
    """Cause every failure -> a logged-in client."""
    runtime = Runtime(settings)
    client = create_app(settings, runtime).test_client()
    client.post("/login", data={"password": f"{PASSWORD}x"}, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert client.post("/login", data={"password": PASSWORD}).status_code == 302
    with closing(database.connect(settings.database)) as db:
        for fault, prompt in [*((fault, "猫") for fault in FAULTS), *(("", prompt) for prompt in PROMPTS)]:
            if fault:
                service.fail_next(fault)
            batch = client.post("/api/batches", json={"rows": [{"prompt": prompt, "resolution": "1K"}]})
            while run_once(runtime, db):
                pass
            client.post(f"/api/batches/{batch.get_json()['batch_id']}/cancel")
        while runtime.notifier.deliver_next(db):
            pass
    assert client.post("/api/notify/test").status_code == 502
    return client


def resources_of(client: FlaskClient, under: str = "/") -> Iterator[tuple[str, str]]:
    """(URL, headers and text) of every resource below an address, workbooks unpacked."""
    batch_ids = [batch["id"] for batch in client.get("/api/batches").get_json()["batches"]]
    listed = client.get("/api/records?limit=200&status=success,failed,unknown,cancelled").get_json()
    ids = [str(record["id"]) for record in listed["records"]]
    names = {"batch_id": batch_ids, "record_id": ids, "name": ["x.png"], "key": ["x.png"], "filename": ["x"]}
    for rule in client.application.url_map.iter_rules():
        wanted = re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)
        if "GET" not in (rule.methods or ()) or not rule.rule.startswith(under):
            continue
        for value in names.get(wanted[0], ["x"]) if wanted else [""]:
            address = re.sub(r"<(?:\w+:)?\w+>", value, rule.rule)
            answer = client.get(address, buffered=True)
            yield address, f"{answer.headers} {readable(answer.data)}"
    for batch_id in batch_ids:
        yield batch_id, client.get(f"/batch?id={batch_id}").text
    yield "without a password", client.application.test_client().get("/healthz").text


def readable(content: bytes) -> str:
    """A workbook as its text; everything else unchanged."""
    if not content.startswith(b"PK"):
        return content.decode("utf-8", "replace")
    import zipfile

    archive = zipfile.ZipFile(io.BytesIO(content))
    return "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


def test_no_key_appears_in_any_response_log_or_file(
    settings: Settings, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = cause_failures(secret_settings(settings, service), service)
    failures = client.get("/api/records?status=failed,unknown,cancelled").get_json()
    assert failures["total"] > len(FAULTS) / 2
    under = "/" if isinstance(service, FakeJimeng) else "/api/"  # pages show what the API answers
    for address, text in resources_of(client, under):
        assert MARKER not in text, address
    assert MARKER not in caplog.text
    for path in settings.database_path.parent.rglob("*"):
        assert not path.is_file() or MARKER.encode() not in path.read_bytes(), path.name


def test_every_service_with_a_key_is_tried() -> None:
    assert set(SERVICES) == REQUIRED.keys() - {"demo"}


def test_a_key_quoted_by_the_service_is_redacted(settings: Settings) -> None:
    with FakeSeedream(key="another") as service:
        wrong = secret_settings(settings, service, ark_api_key=KEYS["ark_api_key"])
        client = cause_failures(wrong, service)
        assert not [address for address, text in resources_of(client) if MARKER in text]


def test_bucket_keys_are_redacted_in_every_error(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeOss() as oss:
        oss.secret_key = KEYS["oss_access_key_secret"]
        for secret in (oss.secret_key, f"{MARKER}-wrong"):
            client = create_app(replace(settings, **oss.settings(oss_access_key_secret=secret))).test_client()
            for fault in ("", "reset", "500", "html", "denied", "busy"):
                if fault:
                    oss.fail_next(fault)
                picture = {"file": (io.BytesIO(noise_image("PNG")), "猫.png")}
                assert MARKER not in client.post("/api/sample-images", data=picture).text
            for path in ("/samples", "/samples/files/x.png", "/healthz"):
                answer = client.get(path)
                assert MARKER not in f"{answer.headers} {answer.text}"
    assert MARKER not in caplog.text


def test_no_key_appears_in_the_repr_of_settings_or_in_setting_errors() -> None:
    from app.config import read_settings
    from app.errors import SettingError

    assert MARKER not in repr(replace(Settings(), **KEYS, access_password=PASSWORD))
    for variable in ("PORT", "BUDGET", "OSS_ENABLED", "HOST"):
        with pytest.raises(SettingError) as caught:
            read_settings({name.upper(): key for name, key in KEYS.items()} | {variable: "0.0.0.0"})
        assert MARKER not in str(caught.value)
