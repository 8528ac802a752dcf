"""Base of the fake image services: an HTTP server with a ledger of submissions and faults on request.

    with FakeJimeng(latency=0.1) as service:
        settings = Settings(**service.settings(model_timeout=5))
        service.fail_next("reset")

Every accepted submission is in ``submissions``; ``charges`` counts those that cost money.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tools.fakes.images import make_image, with_manifest

FAULTS = (
    "slow",  # answers after ``seconds`` more
    "drip",  # sends the head of the response byte by byte, spread over ``seconds``
    "reset",  # accepts the submission, then resets the connection: a lost response
    "drop",  # resets the connection without accepting the submission
    "cut",  # accepts the submission, then sends half of the response
    "html",  # accepts the submission, then answers 200 with an HTML page
    "500",  # accepts the submission, then answers 500 with an HTML page
    "502",  # does not accept the submission, answers 502 with an HTML page
    "busy",  # does not accept the submission, answers 429 in the service's own form
    "key",  # refuses the key
    "redirect",  # answers 302
    "dead_url",  # the image URL answers 404 (step "download")
    "garbled",  # the image is noise after its first bytes (step "download", or an inline image)
    "wrong_size",  # the image is complete, but 64x64 (likewise)
    "half",  # the image is cut in half, with a matching Content-Length (likewise)
)

# (event, call): "arrived" before anything is done, "made" when the response is ready, "half_sent".
Observer = Callable[[str, "Call"], None]


@dataclass(kw_only=True)
class Call:
    """A received request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    raw_query: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Refusal when it is none."""
        try:
            found = json.loads(self.content)
        except ValueError:
            raise Refusal(400, {"error": {"message": "body is not JSON"}}) from None
        if not isinstance(found, dict):
            raise Refusal(400, {"error": {"message": "body is not an object"}})
        return found


@dataclass(kw_only=True)
class Reply:
    """A response to send."""

    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    head_seconds: float = 0.0


@dataclass(kw_only=True)
class Submission:
    """One accepted submission. ``billed`` if it costs money; ``fetched`` counts its downloads."""

    number: int
    at: float
    body: dict[str, Any]
    width: int
    height: int
    billed: bool = True
    task_id: str = ""
    fetched: int = 0


@dataclass(kw_only=True)
class Fault:
    """A fault waiting for a matching call."""

    kind: str
    step: str
    seconds: float = 1.0
    when: Callable[[Call], bool] | None = None


class Refusal(Exception):
    """A refusal with this status and these fields."""

    def __init__(
        self, status: int, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.reply = as_json(fields, status)
        self.reply.headers.update(headers or {})


class ConnectionCut(Exception):
    """Reset the connection instead of answering."""


def as_json(fields: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON response with these fields."""
    return Reply(status=status, content=json.dumps(fields, ensure_ascii=False).encode())


def prompt_in(body: Mapping[str, Any]) -> str:
    """The prompt of a submission, in whichever form a service takes it; empty in other calls."""
    if "contents" in body:
        return str(body["contents"][0]["parts"][0]["text"])
    if "messages" in body:
        return str(body["messages"][0]["content"][0]["text"])
    return str(body.get("prompt", ""))


class FakeService:
    """A fake image service on 127.0.0.1.

    latency            seconds an image takes
    concurrency_limit  more at a time are refused with 429; None = unlimited
    image_format       "png" or "jpeg"; image_bytes pads each image to that size
    signs_every        each image of so many has a C2PA manifest; 0: none
    clock              seconds; ages of task ids and URLs follow it, latency too
    observer           called at each event of a call; set it at any time
    """

    name = "service"
    steps: tuple[str, ...] = ("submit", "download")

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        concurrency_limit: int | None = None,
        image_format: str = "png",
        image_bytes: int = 0,
        signs_every: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.latency = latency
        self.concurrency_limit = concurrency_limit
        self.image_format = image_format
        self.image_bytes = image_bytes
        self.signs_every = signs_every
        self.clock = clock
        self.submissions: list[Submission] = []
        self.calls: list[tuple[str, Call]] = []
        self.peak_concurrency = 0
        self.completed_drips = 0  # slow heads that were read to their end
        self.observer: Observer = _ignore
        self.lock = threading.RLock()
        self._under_way = 0
        self._faults: list[Fault] = []
        self._mine = threading.local()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Serve in a thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and release the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def stop_listening(self) -> None:
        """Refuse connections until ``listen_again``; what was ordered is not forgotten."""
        self.stop()

    def listen_again(self) -> None:
        """Serve again at the same address."""
        self._server = _Server(("127.0.0.1", self._server.server_address[1]), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.start()

    @property
    def address(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def charges(self) -> int:
        """The number of submissions that cost money."""
        with self.lock:
            return sum(order.billed for order in self.submissions)

    def count(self, step: str) -> int:
        """Received calls of a step, refused ones included."""
        with self.lock:
            return sum(each == step for each, _ in self.calls)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings`` that point here, overridden by ``more``."""
        raise NotImplementedError

    def fail_next(
        self,
        kind: str,
        *,
        step: str = "submit",
        times: int = 1,
        seconds: float = 1.0,
        when: Callable[[Call], bool] | None = None,
    ) -> None:
        """Inject a fault of FAULTS into the next calls of a step (only those for which ``when`` is true)."""
        assert kind in FAULTS, kind
        assert step in self.steps, step
        with self.lock:
            self._faults += [Fault(kind=kind, step=step, seconds=seconds, when=when) for _ in range(times)]

    def clear_faults(self) -> None:
        """Discard the faults not yet used."""
        with self.lock:
            self._faults.clear()

    def ledger(self) -> dict[str, Any]:
        """Submissions and calls, for a test in another process."""
        with self.lock:
            return {
                "submissions": [asdict(submission) for submission in self.submissions],
                "charges": self.charges,
                "calls": {step: self.count(step) for step in self.steps},
                "peak_concurrency": self.peak_concurrency,
            }

    # To be implemented by each service.

    def step_of(self, call: Call) -> str:
        """The step (of ``steps``) that a call belongs to."""
        raise NotImplementedError

    def answer(self, step: str, call: Call) -> Reply:
        """The response to a call of a step other than ``download``. Raises Refusal."""
        raise NotImplementedError

    def busy(self) -> Refusal:
        """A throttling error in the service's own form."""
        raise NotImplementedError

    def wrong_key(self) -> Refusal:
        """A refused key in the service's own form."""
        raise NotImplementedError

    # Helpers for the services.

    def accept(self, body: dict[str, Any], width: int, height: int, task_id: str = "") -> Submission:
        """Add an accepted submission to the ledger."""
        with self.lock:
            number = len(self.submissions) + 1
            line = Submission(
                number=number, at=self.clock(), body=body, width=width, height=height, task_id=task_id
            )
            self.submissions.append(line)
            return line

    def image_of(self, order: Submission) -> bytes:
        """The image of a submission, corrupted if the current call has such a fault."""
        form, transparent = self.format_of(order), order.body.get("background") == "transparent"
        content = make_image(
            order.width,
            order.height,
            number=order.number,
            form=form,
            weight=self.image_bytes,
            transparent=transparent,
        )
        if self.signs_every and order.number % self.signs_every == 0:
            content = with_manifest(content)
        kind = getattr(self._mine, "kind", "")
        if kind == "garbled":
            return content[:16] + bytes(range(256)) * 8
        if kind == "wrong_size":
            return make_image(64, 64, number=order.number, form=form)
        return content[: len(content) // 2] if kind == "half" else content

    def format_of(self, order: Submission) -> str:
        """The format of a submission's image: the one asked for, else ``image_format``."""
        return str(order.body.get("output_format", self.image_format))

    def slot(self) -> _Slot:
        """A context manager that counts as under way. Raises Refusal above the concurrency limit."""
        return _Slot(self)

    def serve(self, call: Call) -> Reply:
        """Answer one call, faults included. Raises ConnectionCut."""
        if call.path == "/__ledger":
            return as_json(self.ledger())
        if call.path == "/__fail":
            self.fail_next(**json.loads(call.content))
            return as_json({})
        step = "download" if call.path.startswith("/pictures/") else self.step_of(call)
        self.observer("arrived", call)
        fault = self._record(step, call)
        try:
            reply = self._serve(step, call, fault)
        except Refusal as refused:
            return refused.reply
        self.observer("made", call)
        return reply

    def _serve(self, step: str, call: Call, fault: Fault | None) -> Reply:
        kind = self._mine.kind = fault.kind if fault else ""
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        self._before(kind)
        reply = self._download(call, kind) if step == "download" else self.answer(step, call)
        if fault and kind == "drip":
            reply.head_seconds = fault.seconds
        return self._after(kind, reply)

    def _before(self, kind: str) -> None:
        if kind == "drop":
            raise ConnectionCut
        if kind == "busy":
            raise self.busy()
        if kind == "key":
            raise self.wrong_key()
        if kind == "502":
            raise _html_error(502)
        if kind == "redirect":
            raise Refusal(302, {}, {"Location": "https://example.com/elsewhere"})

    def _after(self, kind: str, reply: Reply) -> Reply:
        if kind == "reset":
            raise ConnectionCut
        if kind in ("html", "500"):
            raise _html_error(200 if kind == "html" else 500)
        if kind == "cut":
            reply.headers["Content-Length"] = str(len(reply.content))
            reply.content = reply.content[: len(reply.content) // 2]
        return reply

    def _download(self, call: Call, kind: str) -> Reply:
        number = int(call.path.split("/")[2].split("-")[0])
        with self.lock:
            order = self.submissions[number - 1]
            order.fetched += 1
        if kind == "dead_url" or not self.url_alive(call, order):
            return Reply(status=404, content=b"gone", headers={"Content-Type": "text/plain"})
        return Reply(content=self.image_of(order), headers={"Content-Type": f"image/{self.format_of(order)}"})

    def url_alive(self, call: Call, order: Submission) -> bool:
        """Whether an image URL is still valid: 24 hours by default."""
        return self.clock() - order.at < 24 * 3600

    def image_url(self, order: Submission, token: str = "0") -> str:
        """The URL of a submission's image on this server."""
        path = f"/pictures/{order.number}-{token}.{self.format_of(order)}"
        return f"{self.address}{path}?x-expires=1&x-signature=a%2Bb"

    def _record(self, step: str, call: Call) -> Fault | None:
        with self.lock:
            self.calls.append((step, call))
            for fault in self._faults:
                if fault.step == step and (fault.when is None or fault.when(call)):
                    self._faults.remove(fault)
                    return fault
            return None


class _Slot:
    """One unit of concurrency."""

    def __init__(self, service: FakeService) -> None:
        self._service = service

    def __enter__(self) -> None:
        service = self._service
        with service.lock:
            if service.concurrency_limit is not None and service._under_way >= service.concurrency_limit:
                raise service.busy()
            service._under_way += 1
            service.peak_concurrency = max(service.peak_concurrency, service._under_way)

    def __exit__(self, *_: object) -> None:
        with self._service.lock:
            self._service._under_way -= 1


def _ignore(_event: str, _call: Call) -> None:
    """The default observer."""


def _html_error(status: int) -> Refusal:
    refused = Refusal(status, {})
    refused.reply = Reply(
        status=status, content=b"<html><h1>Oops</h1></html>", headers={"Content-Type": "text/html"}
    )
    return refused


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], service: FakeService) -> None:
        self.service = service
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=parts.path,
            query=parse_qsl(parts.query, keep_blank_values=True),
            raw_query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            content=self.rfile.read(int(self.headers.get("Content-Length", "0"))),
        )
        try:
            reply = self.server.service.serve(call)
        except ConnectionCut:
            self._break()
            return
        with suppress(ConnectionError):  # the client disconnected
            self._send(reply, call)

    def _send(self, reply: Reply, call: Call) -> None:
        self.send_response(reply.status)
        length = reply.headers.setdefault("Content-Length", str(len(reply.content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.head_seconds:
            self._drip(reply.head_seconds)
        self.end_headers()
        middle = len(reply.content) // 2
        self.wfile.write(reply.content[:middle])
        self.server.service.observer("half_sent", call)
        self.wfile.write(reply.content[middle:])
        if int(length) != len(reply.content):
            self._break()

    def _drip(self, seconds: float) -> None:
        """Send the buffered head one byte at a time. Raises ConnectionError when the client disconnects."""
        buffer: list[bytes] = vars(self)["_headers_buffer"]
        head = b"".join(buffer)
        buffer.clear()
        for byte in head:
            self.wfile.write(bytes((byte,)))
            time.sleep(seconds / len(head))
        with self.server.service.lock:
            self.server.service.completed_drips += 1

    def _break(self) -> None:
        """Close the connection at once, with a reset."""
        self.close_connection = True
        no_linger = struct.pack("ii", 1, 0)
        if self.wfile and not self.wfile.closed:
            self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


def run_standalone(service: type[FakeService]) -> None:
    """``python -m tools.fakes.<name> --port N --latency 2``: serve until killed; prints the address."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--concurrency-limit", type=int, default=None)
    parser.add_argument("--image-format", choices=("png", "jpeg"), default="png")
    parser.add_argument("--image-bytes", type=int, default=0)
    with service(**vars(parser.parse_args())) as running:
        print(running.address, flush=True)  # noqa: T201
        threading.Event().wait()
