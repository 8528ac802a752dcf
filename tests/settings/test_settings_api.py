"""Settings of the image services: written to ``.env`` while the server runs, used by the next order."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

import database
from app.config import Settings, load_settings
from app.domain.workers import WorkerReport
from app.env_file import EnvFile
from app.errors import WriteRefused
from app.providers import key_check
from app.settings import providers
from app.web.services import services_of
from tests.harness import worker_of
from tests.web.harness import WebHarness, answered, at_once
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.robots import FakeRobot
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import FakeService
from tools.server_process import running_server
from tools.waiting import wait_until

ROW = {"prompt": "猫", "resolution": "1K"}
SECRET = "sk-geheim"
FAR = {"REMOTE_ADDR": "10.0.0.9"}


class Studio(WebHarness):
    """A server whose ``.env`` holds ``lines`` and whose environment holds ``environ``."""

    def __init__(self, settings: Settings, path: Path, lines: str = "", **environ: str) -> None:
        path.write_text(lines, "utf-8")
        places = ("database_path", "output_dir", "samples_dir")
        found = replace(load_settings(environ, path), **{name: getattr(settings, name) for name in places})
        super().__init__(found, env_file=EnvFile(path, environ))

    def put(self, status: int = 200, /, **changes: str) -> dict[str, Any]:
        return self.call("PUT", "/api/settings", status, json=changes)

    def call(self, method: str, path: str, status: int = 200, **more: Any) -> dict[str, Any]:
        return answered(self.client.open(path, method=method, **more), status)

    def order(self, status: int = 202, **more: Any) -> str:
        answer = self.post("/api/batches", {"rows": [ROW], **more}, status)
        return str(answer.get("batch_id") or answer["error"])

    def variables(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/api/settings")["variables"]
        return found

    def default_model(self) -> str:
        return str(self.get("/api/models")["model"]["model_id"])


def lines_of(service: FakeService, *, is_default: bool = False) -> str:
    """The lines of ``.env`` for a service."""
    fields = service.settings()
    names = fields if is_default else fields.keys() - {"image_model"}
    return "".join(f"{name.upper()}={fields[name]}\n" for name in names)


OpenStudio = Callable[..., Studio]


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    return folder / ".env"


@pytest.fixture
def open_studio(settings: Settings, dotenv: Path) -> OpenStudio:
    return partial(Studio, settings, dotenv)


@pytest.fixture
def ark() -> Iterator[FakeSeedream]:
    with FakeSeedream() as service:
        yield service


def test_a_key_is_used_by_the_next_order_without_a_restart(
    open_studio: OpenStudio, dotenv: Path, ark: FakeSeedream
) -> None:
    studio = open_studio(f"# 方舟\n# ARK_API_KEY=\nARK_BASE_URL={ark.address}/api/v3\n")
    assert studio.default_model() == "demo"
    done = studio.put(ARK_API_KEY=ark.key)
    assert "Seedream" in done["text"]
    shown = {"source": "set", "secret": True, "value": None, "from_environment": False}
    assert done["variables"]["ARK_API_KEY"] == shown
    assert dotenv.read_text("utf-8").startswith(f"# 方舟\nARK_API_KEY={ark.key}\n")
    batch_id = studio.order()
    studio.run()
    assert studio.batch(batch_id)["counts"]["success"] == 1
    assert ark.charges == 1


def test_a_deleted_key_is_put_back_by_its_undo_and_is_in_no_answer_and_no_file(
    open_studio: OpenStudio, dotenv: Path, ark: FakeSeedream
) -> None:
    lines = f"ARK_API_KEY={ark.key}\nARK_BASE_URL={ark.address}/api/v3\nPRICE_PER_IMAGE=0.3\n"
    studio = open_studio(lines)
    deleted = studio.put(ARK_API_KEY="")
    assert deleted["text"].startswith("密钥已删除")
    assert ark.key not in dotenv.read_text("utf-8") + str(deleted) + str(studio.variables())
    restored = studio.put(undo=deleted["undo"])
    assert "Seedream" in restored["text"]
    assert studio.variables()["ARK_API_KEY"]["source"] == "set"
    assert f"ARK_API_KEY={ark.key}\n" in dotenv.read_text("utf-8")
    assert "PRICE_PER_IMAGE=0.3\n" in dotenv.read_text("utf-8")
    assert "已经填了" in studio.put(409, undo=deleted["undo"])["error"]


def test_a_deleted_key_comes_back_with_the_address_it_was_for_and_not_beside_another_key(
    open_studio: OpenStudio, dotenv: Path, ark: FakeSeedream
) -> None:
    address = f"ARK_BASE_URL={ark.address}/api/v3\n"
    studio = open_studio(f"ARK_API_KEY={ark.key}\n{address}")
    undo = studio.put(ARK_API_KEY="")["undo"]
    with FakeSeedream() as thief:
        studio.put(ARK_BASE_URL=f"{thief.address}/api/v3")
        studio.put(undo=undo)
        assert thief.calls == []
    assert address in dotenv.read_text("utf-8")
    undo = studio.put(ARK_API_KEY="")["undo"]
    studio.put(ARK_API_KEY="another")
    studio.put(409, undo=undo)
    assert "ARK_API_KEY=another\n" in dotenv.read_text("utf-8")


def test_a_deleted_key_is_kept_for_some_minutes(
    open_studio: OpenStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "UNDO_SECONDS", 0)
    studio = open_studio(f"ARK_API_KEY={SECRET}\n")
    undo = studio.put(ARK_API_KEY="")["undo"]
    removed = services_of(studio.client.application).removed
    wait_until(lambda: not removed)
    studio.put(404, undo=undo)


def test_the_visible_mark_is_asked_for_from_the_next_order_on(
    open_studio: OpenStudio, ark: FakeSeedream
) -> None:
    studio = open_studio(f"ARK_API_KEY={ark.key}\nARK_BASE_URL={ark.address}/api/v3\n")
    marks = []
    for value in ("", "true"):
        studio.put(WATERMARK=value)
        batch_id = studio.order()
        studio.run()
        (record,) = studio.get(f"/api/batches/{batch_id}")["records"]
        marks.append(record["marks"])
    assert marks == [{"visible": asked, "aigc": False, "c2pa": False} for asked in (False, True)]
    assert [order.body["watermark"] for order in ark.submissions] == [False, True]


def test_a_batch_that_waits_keeps_its_model(
    open_studio: OpenStudio, ark: FakeSeedream, service: FakeJimeng
) -> None:
    studio = open_studio(lines_of(service, is_default=True) + lines_of(ark))
    batch_id = studio.order()
    studio.put(IMAGE_MODEL="seedream")
    studio.run()
    assert studio.batch(batch_id)["counts"]["success"] == 1
    assert (service.charges, ark.charges) == (1, 0)
    studio.order()
    studio.run()
    assert (service.charges, ark.charges) == (1, 1)


def test_rows_for_a_service_whose_key_is_removed_meanwhile_are_not_ordered_from_another(
    open_studio: OpenStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_studio(f"IMAGE_MODEL=demo\nARK_API_KEY={SECRET}\n")
    pin = studio.runtime.library.pin

    def remove_key(images: Any) -> Any:
        with closing(database.connect(studio.settings.database)) as db:
            studio.runtime.apply(replace(studio.runtime.settings, ark_api_key=""), db)
        return pin(images)

    monkeypatch.setattr(studio.runtime.library, "pin", remove_key)
    assert "刷新" in studio.order(409, model="seedream")
    assert studio.get("/api/batches")["batches"] == []


def test_a_wrong_key_is_kept_and_not_called_ready_and_the_right_one_becomes_the_default(
    open_studio: OpenStudio, dotenv: Path, ark: FakeSeedream
) -> None:
    studio = open_studio(f"ARK_BASE_URL={ark.address}/api/v3\n")
    done = studio.put(ARK_API_KEY="falsch")
    assert (done["result"], "请检查 ARK_API_KEY" in done["text"]) == ("bad", True)
    assert "ARK_API_KEY=falsch" in dotenv.read_text()
    page = studio.client.get("/model").text
    assert "服务商拒绝" in page
    assert 'chip is-good">已设置' not in page
    assert (studio.default_model(), load_settings({}, dotenv).image_model) == ("demo", "demo")
    done = studio.put(ARK_API_KEY=ark.key)
    assert (done["result"], "密钥有效" in done["text"], ark.charges) == ("good", True, 0)
    assert 'chip is-good">已设置' in studio.client.get("/model").text
    assert studio.default_model() == load_settings({}, dotenv).seedream_model
    assert load_settings({}, dotenv).image_model == "seedream"


def test_a_service_that_hangs_delays_a_save_for_a_bounded_time(
    open_studio: OpenStudio, ark: FakeSeedream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_check, "SECONDS", 0.3)
    ark.fail_next("slow", step="models", seconds=60.0)
    studio = open_studio(f"ARK_BASE_URL={ark.address}/api/v3\n")
    done = studio.put(ARK_API_KEY=ark.key)
    assert (done["result"], done["text"].startswith("没有测到，先存上了")) == ("open", True)
    assert (studio.runtime.settings.ark_api_key, studio.default_model()) == (ark.key, "demo")


def test_only_a_service_that_passes_its_test_becomes_the_default(
    open_studio: OpenStudio, ark: FakeSeedream
) -> None:
    studio = open_studio(f"IMAGE_MODEL=demo\n{lines_of(ark)}")
    for fault in ("key", "500", ""):
        if fault:
            ark.fail_next(fault, step="models")
        done = studio.put(IMAGE_MODEL="seedream")
        assert ("默认模型不变" in done["text"]) is bool(fault)
        assert (studio.default_model() == "demo") is bool(fault)
    assert ark.count("models") == 3


def test_a_service_without_a_free_test_may_become_the_default(open_studio: OpenStudio) -> None:
    with FakeOpenAIImages(models=None) as service:
        studio = open_studio(f"IMAGE_MODEL=demo\n{lines_of(service)}")
        done = studio.put(IMAGE_MODEL="openai")
        assert (done["result"], studio.default_model()) == ("open", "gpt-image-2")


def test_what_does_not_concern_a_key_is_saved_without_a_test(
    open_studio: OpenStudio, ark: FakeSeedream
) -> None:
    studio = open_studio(lines_of(ark))
    studio.put(SEEDREAM_PRICE="0.3", SEEDREAM_CONCURRENCY="2", MODEL_TIMEOUT="9")
    studio.put(ARK_API_KEY="")
    assert ark.calls == []


def test_a_wrong_key_pauses_and_the_right_one_resumes(open_studio: OpenStudio, ark: FakeSeedream) -> None:
    studio = open_studio(f"ARK_API_KEY=falsch\nARK_BASE_URL={ark.address}/api/v3\n")
    tested = studio.post("/api/models/seedream/test", status=502)
    assert "请检查 ARK_API_KEY" in tested["error"]
    batch_id = studio.order()
    studio.run()
    assert studio.batch(batch_id)["paused_cause"] == "key"
    studio.put(ARK_API_KEY=ark.key)
    assert studio.post("/api/models/seedream/test")["verified"] is True
    studio.post(f"/api/batches/{batch_id}/resume")
    studio.run()
    assert studio.batch(batch_id)["counts"]["success"] == 1
    assert ark.charges == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ARK_API_KEY": "sk-1 sk-2", "SEEDREAM_PRICE": "1"}, "ARK_API_KEY"),
        ({"ARK_API_KEY": "你的密钥"}, "ARK_API_KEY"),
        ({"IMAGE_MODEL": "midjourney"}, "IMAGE_MODEL"),
        ({"SEEDREAM_PRICE": "free"}, "SEEDREAM_PRICE"),
        ({"MODEL_CONCURRENCY": "0"}, "MODEL_CONCURRENCY"),
        ({"MODEL_CONCURRENCY": 3}, "MODEL_CONCURRENCY"),
        ({"SDAPI_URL": "127.0.0.1:7860"}, "SDAPI_URL"),
        ({"SEEDREAM_MODEL": "a\nACCESS_PASSWORD="}, "SEEDREAM_MODEL"),
        ({"PORT": "80", "SEEDREAM_PRICE": "1"}, "PORT"),
        ({"DATABASE_PATH": "/tmp/x.db"}, "DATABASE_PATH"),
        ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES"),
        ({"BUDGET": "1"}, "BUDGET"),
    ],
)
def test_a_wrong_value_or_another_variable_changes_nothing(
    open_studio: OpenStudio, dotenv: Path, changes: dict[str, Any], field: str
) -> None:
    studio = open_studio("PORT=5050\n")
    answer = studio.put(400, **changes)
    assert answer["field"] == field
    assert "sk-1" not in answer["error"]
    assert dotenv.read_text() == "PORT=5050\n"
    assert studio.default_model() == "demo"


@pytest.mark.parametrize(
    "how",
    [
        {"environ_base": FAR},
        {"environ_base": {"REMOTE_ADDR": "::ffff:10.0.0.9"}},
        {"headers": {"X-Forwarded-For": "10.0.0.9"}},
        {"headers": {"Forwarded": "for=10.0.0.9"}},
        {"headers": {"X-Real-IP": "10.0.0.9"}},
        {"base_url": "http://192.168.1.5:5000"},
        {"environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}},
        {"headers": {"Origin": "https://evil.example"}},
    ],
)
def test_only_this_machine_may_change_settings(
    open_studio: OpenStudio, dotenv: Path, how: dict[str, Any]
) -> None:
    studio = open_studio()
    studio.call("PUT", "/api/settings", 403, json={"ARK_API_KEY": SECRET}, **how)
    assert studio.client.post("/model", data={"ARK_API_KEY": SECRET}, **how).status_code == 403
    assert dotenv.read_text() == ""


def test_a_trusted_proxy_on_this_machine_is_not_local(open_studio: OpenStudio) -> None:
    studio = open_studio(TRUSTED_PROXIES="127.0.0.1")
    studio.call("PUT", "/api/settings", 403, json={"ARK_API_KEY": SECRET})


def test_a_request_that_a_proxy_passed_on_is_not_local(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        for headers, status in (({"X-Forwarded-For": "10.0.0.9"}, 403), ({}, 200)):
            answer = requests.put(
                f"{server.address}/api/settings", json={"MODEL_TIMEOUT": "9"}, headers=headers, timeout=30
            )
            assert answer.status_code == status
    assert (tmp_path / ".env").read_text() == "MODEL_TIMEOUT=9\n"


def test_who_has_logged_in_may_change_settings(open_studio: OpenStudio, dotenv: Path) -> None:
    studio = open_studio("ACCESS_PASSWORD=sesam\n")
    studio.put(403, ARK_API_KEY=SECRET)  # on this machine, but not logged in
    studio.client.post("/login", data={"password": "sesam"}, environ_base=FAR)
    studio.call("PUT", "/api/settings", json={"ARK_API_KEY": SECRET}, environ_base=FAR)
    assert f"ARK_API_KEY={SECRET}" in dotenv.read_text()


def test_the_environment_wins_and_is_not_changed(open_studio: OpenStudio, dotenv: Path) -> None:
    studio = open_studio("ARK_API_KEY=other\n", ARK_API_KEY=SECRET)
    assert studio.variables()["ARK_API_KEY"]["from_environment"] is True
    answer = studio.put(400, ARK_API_KEY="new")
    assert (answer["field"], "环境变量" in answer["error"]) == ("ARK_API_KEY", True)
    assert dotenv.read_text() == "ARK_API_KEY=other\n"
    assert studio.runtime.settings.ark_api_key == SECRET


def test_a_price_stays_with_its_model(open_studio: OpenStudio, dotenv: Path, ark: FakeSeedream) -> None:
    lines = f"{lines_of(ark)}VOLCENGINE_AK=b\nVOLCENGINE_SK=c\nPRICE_PER_IMAGE=0.5\n"
    studio = open_studio(lines)
    done = studio.put(IMAGE_MODEL="seedream")
    assert "JIMENG_PRICE" in done["text"]
    assert studio.variables()["PRICE_PER_IMAGE"]["source"] == "empty"
    assert studio.variables()["JIMENG_PRICE"]["value"] == "0.5"
    found = {model["name"]: model for model in studio.get("/api/models")["models"]}
    assert found["seedream"]["sizes"]["1:1|1K"]["price"] != "0.5"
    assert load_settings({}, dotenv).price_per_image is None
    assert studio.runtime.settings.price_of("jimeng") == Decimal("0.5")


def test_another_model_of_a_service_does_not_get_the_price_of_the_first(open_studio: OpenStudio) -> None:
    studio = open_studio("ARK_API_KEY=a\nSEEDREAM_PRICE=0.5\n")
    done = studio.put(SEEDREAM_MODEL="doubao-seedream-5-0-flash-260915")
    assert "SEEDREAM_PRICE" in done["text"]
    assert studio.runtime.settings.seedream_price is None
    studio.put(SEEDREAM_MODEL="ep-1", SEEDREAM_PRICE="0.4")
    assert studio.runtime.settings.seedream_price == Decimal("0.4")


def test_a_default_model_without_a_price_is_refused_under_a_budget(open_studio: OpenStudio) -> None:
    with FakeOpenAIImages() as service:
        studio = open_studio(f"BUDGET=10\nIMAGE_MODEL=demo\n{lines_of(service)}")
        assert studio.put(400, IMAGE_MODEL="openai")["field"] == "OPENAI_PRICE"
        assert studio.default_model() == "demo"
        studio.put(IMAGE_MODEL="openai", OPENAI_PRICE="0.4")
        assert studio.default_model() == "gpt-image-2"


def test_a_stored_key_is_not_sent_to_a_new_address(open_studio: OpenStudio, ark: FakeSeedream) -> None:
    studio = open_studio(f"ARK_API_KEY={ark.key}\n")
    address = f"{ark.address}/api/v3"
    assert studio.put(400, ARK_BASE_URL=address)["field"] == "ARK_API_KEY"
    assert ark.calls == []
    studio.put(ARK_BASE_URL=address, ARK_API_KEY=ark.key)
    assert studio.post("/api/models/seedream/test")["verified"] is True


def test_a_stored_key_is_not_sent_to_the_default_address_when_its_own_is_cleared(
    open_studio: OpenStudio, dotenv: Path
) -> None:
    lines = "OPENAI_BASE_URL=http://127.0.0.1:9/v1\nOPENAI_API_KEY=sk-of-a-reseller\n"
    studio = open_studio(lines)
    assert studio.put(400, OPENAI_BASE_URL="")["field"] == "OPENAI_API_KEY"
    assert dotenv.read_text() == lines
    studio.put(OPENAI_BASE_URL="", OPENAI_API_KEY="")
    assert studio.runtime.settings.openai_api_key == ""


def test_a_key_of_the_environment_is_not_sent_to_a_new_address(
    open_studio: OpenStudio, dotenv: Path, ark: FakeSeedream
) -> None:
    studio = open_studio(ARK_API_KEY=SECRET)
    address = f"{ark.address}/api/v3"
    for given in ("", "other"):
        assert studio.put(400, ARK_BASE_URL=address, ARK_API_KEY=given)["field"] == "ARK_API_KEY"
    assert (studio.runtime.settings.source_of("ARK_BASE_URL"), dotenv.read_text()) == ("default", "")
    studio.put(ARK_BASE_URL=address, ARK_API_KEY=SECRET)
    assert dotenv.read_text() == f"ARK_BASE_URL={address}\n"


def test_a_price_does_not_become_that_of_another_address(open_studio: OpenStudio) -> None:
    local = "OPENAI_BASE_URL=http://127.0.0.1:9/v1\nOPENAI_API_KEY=a\nOPENAI_PRICE=0\n"
    studio = open_studio(local)
    done = studio.put(OPENAI_BASE_URL="https://api.openai.com/v1", OPENAI_API_KEY="a")
    assert "OPENAI_PRICE" in done["text"]
    assert studio.runtime.settings.openai_price is None
    studio = open_studio("IMAGE_MODEL=openai\nPRICE_PER_IMAGE=0\n" + local.replace("0\n", "\n"))
    studio.put(IMAGE_MODEL="demo", OPENAI_IMAGE_MODEL="other")
    found = studio.runtime.settings
    assert (found.openai_price, found.price_per_image) == (None, None)


def test_an_address_with_a_password_is_not_shown(open_studio: OpenStudio) -> None:
    studio = open_studio("ARK_BASE_URL=https://me:geheim@proxy.test/v3\nARK_API_KEY=a\n")
    shown = studio.variables()["ARK_BASE_URL"]
    assert (shown["value"], shown["secret"], shown["source"]) == (None, True, "set")
    page = studio.client.get("/model").text
    assert "geheim" not in page
    form = {"provider": "seedream", "ARK_BASE_URL": "", "SEEDREAM_PRICE": "0.5"}
    assert studio.client.post("/model", data=form).status_code == 200
    found = studio.runtime.settings
    assert found.ark_base_url.endswith("proxy.test/v3")
    assert found.seedream_price == Decimal("0.5")


def test_settings_that_were_written_and_not_applied_are_applied_by_the_next_call(
    open_studio: OpenStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = open_studio(f"ARK_API_KEY={SECRET}\nVOLCENGINE_AK=a\nVOLCENGINE_SK=b\n")
    batch_id = studio.order(model="seedream")

    def refuse(*_: object, **__: object) -> None:
        raise WriteRefused("locked")

    with monkeypatch.context() as broken:
        broken.setattr(database, "pause_other_models", refuse)
        studio.put(507, ARK_API_KEY="")
    assert studio.batch(batch_id)["status"] == "queued"
    studio.put(ARK_API_KEY="")
    assert studio.batch(batch_id)["status"] == "paused"
    assert studio.runtime.settings.ark_api_key == ""


@pytest.mark.parametrize(("name", "status"), [("jimeng", 409), ("openai", 409), ("demo", 409), ("none", 404)])
def test_what_cannot_be_tested_says_why(open_studio: OpenStudio, name: str, status: int) -> None:
    assert open_studio().call("POST", f"/api/models/{name}/test", status)["error"]


def test_a_key_is_tested_though_another_service_has_its_model(
    open_studio: OpenStudio, ark: FakeSeedream
) -> None:
    model = Settings().seedream_model
    openai = f"OPENAI_BASE_URL={ark.address}/v1\nOPENAI_API_KEY=a\nOPENAI_IMAGE_MODEL={model}\n"
    studio = open_studio(openai + lines_of(ark, is_default=True))
    assert studio.post("/api/models/openai/test", status=502)["error"]


def test_one_test_at_a_time(open_studio: OpenStudio, service: FakeJimeng) -> None:
    service.fail_next("slow", step="poll", seconds=1.0)
    studio = open_studio(lines_of(service, is_default=True))
    path = "/api/models/jimeng/test"
    first = threading.Thread(target=lambda: studio.client.application.test_client().post(path))
    first.start()
    while not service.count("poll"):
        pass
    assert "请等它测完" in studio.post(path, status=503)["error"]
    first.join()
    assert service.count("poll") == 1


def test_the_receiver_of_notifications_and_its_thread_follow_the_setting(open_studio: OpenStudio) -> None:
    with FakeRobot("plain") as robot:
        studio = open_studio()
        studio.runtime.start()
        studio.post("/api/notify/test", status=409)
        assert studio.put(NOTIFY_URL=robot.url)["text"] == "已保存，发一条试试"
        assert studio.post("/api/notify/test")["receiver"] == "接收方"
        assert studio.runtime.threads.are_running
        studio.put(NOTIFY_URL=robot.url + "x")
        studio.put(NOTIFY_URL="")
        studio.post("/api/notify/test", status=409)
        assert studio.runtime.stop(10)
        (message,) = robot.messages
        assert message.startswith("AI 图片生成器 · 通知已接通")


def test_two_changes_at_once_are_both_applied(open_studio: OpenStudio, dotenv: Path) -> None:
    studio = open_studio()
    names = ["MODEL_TIMEOUT", "MODEL_CONCURRENCY", "JIMENG_CONCURRENCY", "SEEDREAM_CONCURRENCY"]

    def put(name: str) -> None:
        studio.client.application.test_client().put("/api/settings", json={name: "9"})

    at_once(*(partial(put, name) for name in names))
    found = studio.runtime.settings
    assert [getattr(found, name.lower()) for name in names] == [9] * 4
    assert [getattr(load_settings({}, dotenv), name.lower()) for name in names] == [9] * 4


def test_a_secret_is_in_no_answer_page_or_log(
    open_studio: OpenStudio, dotenv: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    studio = open_studio()
    secrets = {name: SECRET for name, shown in studio.variables().items() if shown["secret"]}
    secrets |= {name: f"http://{SECRET}:x@127.0.0.1:9/{SECRET}" for name in secrets if name.endswith("_URL")}
    texts = [str(studio.put(**secrets)), str(studio.variables())]
    texts.append(str(studio.put(400, ARK_API_KEY=f"{SECRET} x")))
    texts.append(str(studio.put(400, SDAPI_URL=SECRET)))
    texts += [studio.client.get(path).text for path in ("/model", "/api/models", "/live/status", "/healthz")]
    form = {"provider": "seedream", "action": "save", "ARK_API_KEY": f"{SECRET}\u3000x"}
    texts.append(studio.client.post("/model", data=form).text)
    assert not [text for text in texts if SECRET in text]
    assert SECRET not in caplog.text
    assert "event=settings_changed" in caplog.text
    assert SECRET in dotenv.read_text()


def test_what_several_processes_share_is_changed_in_none(open_studio: OpenStudio) -> None:
    studio = open_studio()

    def report(owner: str, age: float = 0.0) -> None:
        now = time.time() - age
        database.report_worker(db, owner, WorkerReport(), limits={}, now=now, within=20.0)

    with closing(database.connect(studio.settings.database)) as db:
        report(worker_of(studio.runtime).owner)
        studio.put(MODEL_TIMEOUT="9")
        report("another")
        assert "有几个进程一起工作" in studio.put(403, MODEL_TIMEOUT="8")["error"]
        assert "data-locked" in studio.client.get("/model").text
        report("another", 60.0)
        studio.put(MODEL_TIMEOUT="8")


def test_without_an_env_file_nothing_can_be_changed(client: FlaskClient) -> None:
    assert client.put("/api/settings", json={"MODEL_TIMEOUT": "9"}).status_code == 403
    assert "data-locked" in client.get("/model").text
