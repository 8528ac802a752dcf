"""What all the fake services share: a small real HTTP server, its ledger, its faults, its own process.

    with FakeJimeng(latency=0.1) as service:
        settings = Settings(**service.settings(model_timeout=5))
        service.fail_next("reset")

Every accepted send stands in ``orders``; ``charges`` counts those that cost money.
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
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.pictures import picture

FAULTS = (
    "slow",  # answers only after ``seconds`` more
    "drip",  # sends the head of the answer byte by byte, spread over ``seconds``
    "reset",  # takes the order, then breaks the connection: a lost answer
    "drop",  # breaks the connection without having taken the order
    "cut",  # takes the order, then sends half of the answer
    "html",  # takes the order, then answers 200 with a page
    "500",  # takes the order, then answers 500 with a page
    "502",  # does not take the order, answers 502 with a page
    "busy",  # does not take the order, answers 429 in the service's own form
    "key",  # refuses the key
    "redirect",  # answers 302
    "dead_url",  # the picture's address answers 404 (step "picture")
    "garbled",  # the picture is noise with a picture's first bytes (step "picture", or an answer with it)
    "wrong_size",  # the picture is whole, but 64x64 (likewise)
    "half",  # the picture is cut in half, with a Content-Length that fits (likewise)
)

# (moment, call): "arrived" before anything is done, "made" when the answer is ready, "half_sent".
Spy = Callable[[str, "Call"], None]


@dataclass(kw_only=True)
class Call:
    """A request as it came in."""

    method: str
    path: str
    query: list[tuple[str, str]]
    raw_query: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Refused when it is none."""
        try:
            found = json.loads(self.content)
        except ValueError:
            raise Refused(400, {"error": {"message": "body is not JSON"}}) from None
        if not isinstance(found, dict):
            raise Refused(400, {"error": {"message": "body is not an object"}})
        return found


@dataclass(kw_only=True)
class Reply:
    """What to answer."""

    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    head_seconds: float = 0.0


@dataclass(kw_only=True)
class OrderLine:
    """One accepted send. ``billed`` while it costs money; ``fetched`` counts what was taken away of it."""

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
    """A fault that waits for its call."""

    kind: str
    step: str
    seconds: float = 1.0
    when: Callable[[Call], bool] | None = None


class Refused(Exception):
    """The service says no, with this status and these fields."""

    def __init__(
        self, status: int, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.reply = as_json(fields, status)
        self.reply.headers.update(headers or {})


class Broken(Exception):
    """The connection is to be broken."""


def as_json(fields: Mapping[str, Any], status: int = 200) -> Reply:
    """The fields as a JSON answer."""
    return Reply(status=status, content=json.dumps(fields, ensure_ascii=False).encode())


class FakeService:
    """A fake image service on 127.0.0.1.

    latency         seconds a picture takes
    max_under_way   more at a time are refused with 429; None = no bound
    picture_form    "png" or "jpeg"; picture_bytes pads each picture to that weight
    clock           seconds; ages of tickets and addresses follow it, latency too
    spy             told of every call as it goes by; set it at any time
    """

    name = "service"
    steps: tuple[str, ...] = ("submit", "picture")

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        max_under_way: int | None = None,
        picture_form: str = "png",
        picture_bytes: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.latency = latency
        self.max_under_way = max_under_way
        self.picture_form = picture_form
        self.picture_bytes = picture_bytes
        self.clock = clock
        self.orders: list[OrderLine] = []
        self.calls: list[tuple[str, Call]] = []
        self.most_under_way = 0
        self.whole_drips = 0  # heads that dripped and were read to their end
        self.spy: Spy = _see_nothing
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
        """Stop serving; the port is free afterwards."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hang_up(self) -> None:
        """Refuse connections until ``pick_up``; what was ordered is not forgotten."""
        self.stop()

    def pick_up(self) -> None:
        """Serve again, at the same address."""
        self._server = _Server(("127.0.0.1", self._server.server_address[1]), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.start()

    @property
    def address(self) -> str:
        """Where it listens: ``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def charges(self) -> int:
        """Orders that cost money."""
        with self.lock:
            return sum(order.billed for order in self.orders)

    def count(self, step: str) -> int:
        """Calls of a step that came in, refused ones too."""
        with self.lock:
            return sum(each == step for each, _ in self.calls)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings`` that lead here, with ``more`` above them."""
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
        """Order a fault of FAULTS for the next calls of a step (only those for which ``when`` says so)."""
        assert kind in FAULTS, kind
        assert step in self.steps, step
        with self.lock:
            self._faults += [Fault(kind=kind, step=step, seconds=seconds, when=when) for _ in range(times)]

    def behave(self) -> None:
        """Forget the faults that are still to come."""
        with self.lock:
            self._faults.clear()

    def ledger(self) -> dict[str, Any]:
        """What was ordered and asked, for a test in another process."""
        with self.lock:
            orders = [{k: getattr(o, k) for k in OrderLine.__dataclass_fields__} for o in self.orders]
            counts = {step: self.count(step) for step in self.steps}
            most = self.most_under_way
            return {"orders": orders, "charges": self.charges, "calls": counts, "most_under_way": most}

    # What each service says for itself.

    def step_of(self, call: Call) -> str:
        """Which of ``steps`` a call is."""
        raise NotImplementedError

    def answer(self, step: str, call: Call) -> Reply:
        """The answer to a call of a step other than ``picture``. Raises Refused."""
        raise NotImplementedError

    def busy(self) -> Refused:
        """Too many, in the service's own form."""
        raise NotImplementedError

    def wrong_key(self) -> Refused:
        """A refused key, in the service's own form."""
        raise NotImplementedError

    # Helps for the services.

    def accept(self, body: dict[str, Any], width: int, height: int, task_id: str = "") -> OrderLine:
        """Write an accepted order into the ledger."""
        with self.lock:
            number = len(self.orders) + 1
            line = OrderLine(
                number=number, at=self.clock(), body=body, width=width, height=height, task_id=task_id
            )
            self.orders.append(line)
            return line

    def picture_of(self, order: OrderLine) -> bytes:
        """The picture of an order, spoilt where the call under way is to be answered with such a one."""
        content = picture(
            order.width,
            order.height,
            number=order.number,
            form=self.picture_form,
            weight=self.picture_bytes,
        )
        kind = getattr(self._mine, "kind", "")
        if kind == "garbled":
            return content[:16] + bytes(range(256)) * 8
        if kind == "wrong_size":
            return picture(64, 64, number=order.number, form=self.picture_form)
        return content[: len(content) // 2] if kind == "half" else content

    def waiting_room(self) -> _Place:
        """A place among those under way for as long as the ``with`` lasts. Raises Refused when full."""
        return _Place(self)

    def serve(self, call: Call) -> Reply:
        """One call from end to end, faults included. Raises Broken."""
        if call.path == "/__ledger":
            return as_json(self.ledger())
        if call.path == "/__fail":
            self.fail_next(**json.loads(call.content))
            return as_json({})
        step = "picture" if call.path.startswith("/pictures/") else self.step_of(call)
        self.spy("arrived", call)
        fault = self._note(step, call)
        try:
            reply = self._serve(step, call, fault)
        except Refused as refused:
            return refused.reply
        self.spy("made", call)
        return reply

    def _serve(self, step: str, call: Call, fault: Fault | None) -> Reply:
        kind = self._mine.kind = fault.kind if fault else ""
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        self._before(kind)
        reply = self._picture(call, kind) if step == "picture" else self.answer(step, call)
        if fault and kind == "drip":
            reply.head_seconds = fault.seconds
        return self._after(kind, reply)

    def _before(self, kind: str) -> None:
        if kind == "drop":
            raise Broken
        if kind == "busy":
            raise self.busy()
        if kind == "key":
            raise self.wrong_key()
        if kind == "502":
            raise _page(502)
        if kind == "redirect":
            raise Refused(302, {}, {"Location": "https://example.com/elsewhere"})

    def _after(self, kind: str, reply: Reply) -> Reply:
        if kind == "reset":
            raise Broken
        if kind in ("html", "500"):
            raise _page(200 if kind == "html" else 500)
        if kind == "cut":
            reply.headers["Content-Length"] = str(len(reply.content))
            reply.content = reply.content[: len(reply.content) // 2]
        return reply

    def _picture(self, call: Call, kind: str) -> Reply:
        number = int(call.path.split("/")[2].split("-")[0])
        with self.lock:
            order = self.orders[number - 1]
            order.fetched += 1
        if kind == "dead_url" or not self.url_alive(call, order):
            return Reply(status=404, content=b"gone", headers={"Content-Type": "text/plain"})
        return Reply(content=self.picture_of(order), headers={"Content-Type": f"image/{self.picture_form}"})

    def url_alive(self, call: Call, order: OrderLine) -> bool:
        """Whether a picture's address still works; 24 hours from its order unless a service says more."""
        return self.clock() - order.at < 24 * 3600

    def picture_url(self, order: OrderLine, token: str = "0") -> str:
        """An address of an order's picture, on this very server."""
        path = f"/pictures/{order.number}-{token}.{self.picture_form}"
        return f"{self.address}{path}?x-expires=1&x-signature=a%2Bb"

    def _note(self, step: str, call: Call) -> Fault | None:
        with self.lock:
            self.calls.append((step, call))
            for fault in self._faults:
                if fault.step == step and (fault.when is None or fault.when(call)):
                    self._faults.remove(fault)
                    return fault
            return None


class _Place:
    """One of the places of those under way."""

    def __init__(self, service: FakeService) -> None:
        self._service = service

    def __enter__(self) -> None:
        service = self._service
        with service.lock:
            if service.max_under_way is not None and service._under_way >= service.max_under_way:
                raise service.busy()
            service._under_way += 1
            service.most_under_way = max(service.most_under_way, service._under_way)

    def __exit__(self, *_: object) -> None:
        with self._service.lock:
            self._service._under_way -= 1


def _see_nothing(_moment: str, _call: Call) -> None:
    """The spy that nobody sent."""


def _page(status: int) -> Refused:
    refused = Refused(status, {})
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
        """A client that went away is no news."""


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
        except Broken:
            self._break()
            return
        with suppress(ConnectionError):  # the client is gone
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
        self.server.service.spy("half_sent", call)
        self.wfile.write(reply.content[middle:])
        if int(length) != len(reply.content):
            self._break()

    def _drip(self, seconds: float) -> None:
        """Send the head so far, one byte at a time. Raises ConnectionError when the client has left."""
        buffer: list[bytes] = vars(self)["_headers_buffer"]
        head = b"".join(buffer)
        buffer.clear()
        for byte in head:
            self.wfile.write(bytes((byte,)))
            time.sleep(seconds / len(head))
        with self.server.service.lock:
            self.server.service.whole_drips += 1

    def _break(self) -> None:
        """Close at once, with a reset where nothing was sent."""
        self.close_connection = True
        linger_not = struct.pack("ii", 1, 0)
        if self.wfile and not self.wfile.closed:
            self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)


def run_alone(service: type[FakeService]) -> None:
    """``python -m tests.fakes.<name> --port N --latency 2``: serve until killed; prints the address."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--max-under-way", type=int, default=None)
    parser.add_argument("--picture-form", choices=("png", "jpeg"), default="png")
    parser.add_argument("--picture-bytes", type=int, default=0)
    with service(**vars(parser.parse_args())) as running:
        print(running.address, flush=True)  # noqa: T201
        threading.Event().wait()
