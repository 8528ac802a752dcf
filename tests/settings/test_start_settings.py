"""The settings that the next start reads: tested before they are saved, and never shown again."""

import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Settings, load_settings
from app.env_file import EnvFile
from app.system import listener
from tests.web.harness import answered
from tools.fakes.oss import FakeOss
from web_app import create_app

PASSWORD = "leise-rieselt"


class Program:
    """A server with an empty ``.env``."""

    def __init__(self, settings: Settings, folder: Path, **environ: str) -> None:
        self.dotenv = folder / ".env"
        self.client: FlaskClient = create_app(settings, env_file=EnvFile(self.dotenv, environ)).test_client()

    def put(self, status: int = 200, /, **changes: str) -> dict[str, Any]:
        return answered(self.client.put("/api/settings", json=changes), status)

    @property
    def next(self) -> Settings:
        """The settings of the next start."""
        return load_settings({}, self.dotenv)


@pytest.fixture
def program(settings: Settings, tmp_path: Path) -> Program:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return Program(replace(settings, port=free.getsockname()[1]), tmp_path)


def variables(oss: FakeOss) -> dict[str, str]:
    return {
        name.upper(): str(value)
        for name, value in oss.settings(oss_output_prefix="made/", oss_sample_prefix="neu/").items()
    }


def test_a_bucket_is_listed_written_and_left_as_it_was_before_it_is_saved(
    program: Program, oss: FakeOss
) -> None:
    done = program.put(**variables(oss))
    assert done["text"] == "OSS 能列、能写、能删。已保存，重新启动后生效"
    assert [oss.count(each) for each in ("list", "put", "delete")] == [2, 2, 2]
    assert program.next.oss_sample_prefix == "neu/"
    assert not oss.objects
    assert program.next.oss_enabled
    page = program.client.get("/model").text
    assert ">已保存，重新启动后生效<" in page
    assert program.next.oss_access_key_secret not in page + str(done)
    assert program.put(**variables(oss))["text"].startswith("没有改动")


@pytest.mark.parametrize("operation", ["list", "put", "delete"])
def test_a_bucket_that_does_not_allow_all_of_it_is_not_saved(
    program: Program, oss: FakeOss, operation: str
) -> None:
    oss.denied.add(operation)
    assert "没有存，OSS 的测试没有通过" in program.put(409, **variables(oss))["error"]
    assert not program.dotenv.exists()


def test_a_missing_setting_of_oss_is_named(program: Program) -> None:
    assert program.put(400, OSS_ENABLED="true")["field"] == "OSS_ENDPOINT"


def test_other_machines_are_let_in_only_with_a_password(program: Program) -> None:
    assert program.put(400, HOST="0.0.0.0")["field"] == "ACCESS_PASSWORD"
    assert program.put(400, HOST="0.0.0.0", ACCESS_PASSWORD="kurz")["field"] == "ACCESS_PASSWORD"
    assert not program.dotenv.exists()
    done = program.put(HOST="0.0.0.0", ACCESS_PASSWORD=PASSWORD)
    assert "重新启动后生效" in done["text"]
    assert (program.next.host, program.next.access_password) == ("0.0.0.0", PASSWORD)
    assert done["variables"]["ACCESS_PASSWORD"]["value"] is None
    assert PASSWORD not in program.client.get("/model").text
    assert program.put(400, ACCESS_PASSWORD="")["field"] == "ACCESS_PASSWORD"
    program.put(HOST="", ACCESS_PASSWORD="")
    assert program.next.access_password == ""


@pytest.mark.parametrize("host", ["203.0.113.9", "nirgends.example.cn"])
def test_an_address_of_another_machine_is_not_saved(program: Program, host: str) -> None:
    assert program.put(400, HOST=host, ACCESS_PASSWORD=PASSWORD)["field"] == "HOST"
    assert not program.dotenv.exists()


def test_an_address_whose_port_another_program_holds_is_refused() -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(listener.PortTaken):
            listener.require_bindable("127.0.0.2", port, held="127.0.0.1")
        listener.require_bindable("127.0.0.2", port, held="0.0.0.0")
        listener.require_bindable("127.0.0.3", port, held="127.0.0.1")


def test_a_port_that_another_program_holds_is_not_saved(program: Program) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = program.put(400, PORT=str(other.getsockname()[1]))
    assert (refused["field"], "已经被别的程序占用" in refused["error"]) == ("PORT", True)
    assert program.put(400, PORT="65536")["field"] == "PORT"
    assert not program.dotenv.exists()


def test_a_free_port_is_saved_with_the_address_to_open_then(program: Program) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = f"重新启动后生效，那时打开 http://localhost:{port}"
    assert said in program.put(PORT=str(port))["text"]
    assert said in program.client.get("/model").text
    assert program.next.port == port


@pytest.mark.parametrize("names", ["http://nas.local", "nas.local:5000", "nas..local", "-nas", "电脑.local"])
def test_what_is_no_host_name_is_not_saved(program: Program, names: str) -> None:
    assert program.put(400, ALLOWED_HOSTS=f"studio.example, {names}")["field"] == "ALLOWED_HOSTS"
    assert not program.dotenv.exists()


def test_the_host_name_that_the_page_was_opened_by_stays(settings: Settings, tmp_path: Path) -> None:
    far = replace(settings, access_password=PASSWORD, allowed_hosts=("nas.local",))
    program = Program(far, tmp_path)
    own = {"base_url": "http://nas.local"}
    program.client.post("/login", data={"password": PASSWORD}, **own)
    program.dotenv.write_text(f"ACCESS_PASSWORD={PASSWORD}\nALLOWED_HOSTS=nas.local\n", "utf-8")
    refused = program.client.put("/api/settings", json={"ALLOWED_HOSTS": "nas2.local"}, **own)
    assert answered(refused, 400)["field"] == "ALLOWED_HOSTS"
    answered(program.client.put("/api/settings", json={"ALLOWED_HOSTS": "nas.local, Nas2.local"}, **own))
    assert program.next.allowed_hosts == ("nas.local", "nas2.local")


def test_what_the_environment_sets_and_what_is_applied_at_once_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    program = Program(settings, tmp_path, ACCESS_PASSWORD="aus-der-Umgebung")
    assert program.put(400, ACCESS_PASSWORD=PASSWORD)["field"] == "ACCESS_PASSWORD"
    assert program.put(400, HOST="localhost", MODEL_TIMEOUT="20")["field"] == "HOST"
    assert not program.dotenv.exists()


def test_who_is_not_at_this_machine_and_not_logged_in_changes_nothing(program: Program) -> None:
    far = {"REMOTE_ADDR": "10.0.0.9"}
    answer = program.client.put("/api/settings", json={"ACCESS_PASSWORD": PASSWORD}, environ_base=far)
    assert answer.status_code == 403
    assert not program.dotenv.exists()


def test_a_form_saves_without_a_script(program: Program) -> None:
    form = {"provider": "access", "action": "save", "HOST": "", "ACCESS_PASSWORD": PASSWORD}
    assert "已保存，重新启动后生效" in program.client.post("/model", data=form).text
    assert program.next.access_password == PASSWORD
    program.client.post("/model", data=form | {"ACCESS_PASSWORD": ""})
    assert program.next.access_password == PASSWORD
    program.client.post("/model", data=form | {"action": "clear"})
    assert program.next.access_password == ""
