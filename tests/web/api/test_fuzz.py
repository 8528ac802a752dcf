"""The server under malformed calls: it answers each, soon, in one sentence, and stays intact.

``make fuzz CALLS=20000`` makes more than the fixed few hundred of every test run, different ones each time.
"""

import gzip
import http.client
import json
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import database
from app.config import Settings
from app.system import listener
from tests.dump import dump
from tools.fuzzing import PNG, Call, Known, calls
from tools.openapi_document import Operation, api_document
from tools.server_process import ServerProcess, running_server
from web_app import create_app

CALL_COUNT = os.environ.get("FUZZ_CALLS")
CALLS = int(CALL_COUNT or 400)
LONGEST_SECONDS = 30.0
SECRET = "FUZZ-SECRET-0123456789"
SECRETS = dict.fromkeys(
    ("VOLCENGINE_AK", "VOLCENGINE_SK", "ARK_API_KEY", "OPENAI_API_KEY", "OSS_ACCESS_KEY_SECRET"), SECRET
)
DOCUMENT = api_document()
REFUSALS = {400, 403, 404, 405, 409, 412, 413, 415, 416, 429}  # 429: wrong links of clients


@dataclass
class Wire:
    """A running server, called over one connection after another; counts the calls."""

    server: ServerProcess
    store: database.Target
    known: Known = field(default_factory=Known)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=LONGEST_SECONDS)

    def send(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        """-> status, headers and content."""
        began = time.monotonic()
        try:
            status, headers, content = self._exchange(call)
        except (http.client.HTTPException, ConnectionError, TimeoutError) as problem:
            pytest.fail(f"no answer ({problem!r}) to {call}\n{self.server.log()[-3000:]}")
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[status] += 1
        return status, headers, content

    def _exchange(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        wire = self.connection
        wire.putrequest(call.method, call.target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{self.server.port}", **dict(call.headers)}.items():
            wire.putheader(name, value.encode("latin-1"))
        if call.content is not None:
            wire.putheader("Content-Length", str(len(call.content)))
        wire.endheaders(call.content)
        with closing(wire.getresponse()) as answer:
            found = answer.status, dict(answer.getheaders()), answer.read()
        if answer.will_close:
            wire.close()
        status, headers, content = found
        if headers.get("Content-Encoding") == "gzip" and content:
            content = gzip.decompress(content)
        return status, headers, content


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Wire]:
    data_dir = tmp_path_factory.mktemp("fuzz")
    fields = {"image_model": "demo", "model_concurrency": 2, "database_url": module_database_url, **SECRETS}
    with running_server(data_dir, **fields) as server:
        wire = Wire(server, module_database_url or data_dir / "generation_records.db")
        create_resources(wire)
        yield wire
        wire.connection.close()


def create_resources(wire: Wire) -> None:
    """Create the resources that calls may name."""
    server = wire.server
    made = server.post("/api/batch-generate", {"prompt": "猫", "resolution": "1K", "num_images": 2})
    files = {"file": ("红茶.png", PNG)}
    stored = requests.post(f"{server.address}/api/sample-images", files=files, timeout=30).json()
    wire.known.values = {
        "batch_id": [made["batch_id"]],
        "record_id": [str(image["record_id"]) for image in made["images"]],
        "name": [image["filename"] for image in made["images"]],
        "key": [stored["images"][0]["key"]],
        "filename": ["js/core/http.js", "css/tokens.css"],
    }


def check_answer(
    call: Call, status: int, headers: dict[str, str], content: bytes, server: ServerProcess
) -> None:
    """Check what must hold for every answer."""
    path = unquote(urlsplit(call.target).path)
    operation = DOCUMENT.find(call.method, path)
    text = content.decode("utf-8", "replace") if "image" not in headers.get("Content-Type", "") else ""
    if path.startswith("/model"):  # the page names the settings file, and the folder of the backups
        for named in (".env", "backups"):
            text = text.replace(str(server.data_dir / named), "")
    made_nothing = status == 502 and path == "/api/batch-generate" and '"errors"' in text
    assert status < 400 or status in REFUSALS or made_nothing, f"{status}: {call}\n{server.log()[-3000:]}"
    for word in (SECRET, str(server.data_dir), "Traceback", 'File "', "sqlite", "werkzeug"):
        assert word not in text + str(headers), f"{word!r} in the answer to {call}"
    if text.endswith(f"(generated by {listener.NAME})"):  # no HTTP at all
        assert status in (400, 413, 431)
        return
    assert "unsafe" not in headers["Content-Security-Policy"], str(call)
    assert headers["X-Content-Type-Options"] == "nosniff"
    if status in (301, 302, 303, 308):
        known_host = next(
            (value for name, value in call.headers if name == "Host"), f"127.0.0.1:{server.port}"
        )
        assert urlsplit(headers["Location"]).netloc in ("", known_host.lower()), f"{headers} for {call}"
    elif status >= 400 and path.startswith("/api/") and call.method != "HEAD":
        fields = json.loads(content)
        assert DOCUMENT.schema_violations(DOCUMENT.schemas["Failure"], fields) == [], f"{fields} for {call}"
        is_english = any(name == "Accept-Language" and value.startswith("en") for name, value in call.headers)
        assert is_english or re.search("[\u4e00-\u9fff]", fields["error"]), f"{fields} for {call}"
        assert fields["error"].splitlines() == [fields["error"]], f"{fields} for {call}"
    elif status < 400 and operation and call.method == operation.method.upper():
        problems = DOCUMENT.violations(operation, status, headers, content)
        assert problems == [], f"{problems} for {call}"


def many(share: float) -> settings:
    """The number of calls, always the same ones unless more are asked for."""
    return settings(
        max_examples=max(1, int(CALLS * share)),
        derandomize=not CALL_COUNT,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


def pages(tmp: Path) -> list[Operation]:
    """Every route that is not in the document."""
    app = create_app(Settings(database_path=tmp / "x.db", output_dir=tmp / "o", samples_dir=tmp / "s"))
    found: list[Operation] = []
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        found += [Operation(method.lower(), path, {"parameters": []}) for method in methods]
    described = {(one.method, one.path) for one in DOCUMENT.operations}
    return [one for one in found if (one.method, one.path) not in described]


@many(0.75)
@given(data=st.data())
def test_every_documented_call_is_answered(wire: Wire, data: st.DataObject) -> None:
    call = data.draw(calls(DOCUMENT, DOCUMENT.operations, wire.known))
    check_answer(call, *wire.send(call), wire.server)


def test_every_page_url_is_answered(wire: Wire, tmp_path: Path) -> None:
    routes = pages(tmp_path)

    @many(0.25)
    @given(data=st.data())
    def send(data: st.DataObject) -> None:
        call = data.draw(calls(DOCUMENT, routes, wire.known))
        check_answer(call, *wire.send(call), wire.server)

    send()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"POST /api/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/batches HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)
def test_malformed_http_does_not_delay_other_requests(wire: Wire, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=60) as broken:
        broken.sendall(sent)
        broken.shutdown(socket.SHUT_WR)
        answer = broken.recv(65_536)
    status = answer.split(b" ", 2)[1] if answer.startswith(b"HTTP") else b"400"
    assert status[:1] in (b"2", b"3", b"4"), answer[:300]
    assert wire.send(Call("GET", "/api/models"))[0] == 200


def test_the_server_is_intact_after_fuzzing(wire: Wire) -> None:
    assert wire.send(Call("GET", "/healthz"))[0] == 200
    assert wire.server.stop() == 0
    log = wire.server.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    assert SECRET not in log
    with closing(database.connect(wire.store)) as db:
        if db.engine == "sqlite":
            assert [tuple(row) for row in db.execute("PRAGMA integrity_check")] == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        stored = {
            name for (name,) in db.execute("SELECT filename FROM generation_records WHERE filename <> ''")
        }
        assert not any(SECRET in line for line in dump(db))
    there = {path.name for path in (wire.server.data_dir / "output").iterdir() if path.is_file()}
    assert stored == there
    total = sum(wire.statuses.values())
    summary = ", ".join(f"{number} × {status}" for status, number in sorted(wire.statuses.items()))
    print(f"\n{total} calls answered: {summary}; the slowest took {wire.slowest:.2f} s")  # noqa: T201
    wire.server.start()
