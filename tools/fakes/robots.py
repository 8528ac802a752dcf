"""Fakes of the group robots of 飞书, 企业微信 and 钉钉, and of a plain receiver of JSON.

As strict as their documentation (see app/providers/webhook.py): path and token, media type, fields, sizes,
keyword, and 20 messages a minute (飞书 100). A refusal is answered as each of them does, with HTTP 200.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "3f0c9a7e-MARKED7f3a-token"
_PATHS = {
    "feishu": f"/open-apis/bot/v2/hook/{TOKEN}",
    "wecom": f"/cgi-bin/webhook/send?key={TOKEN}",
    "dingtalk": f"/robot/send?access_token={TOKEN}",
    "plain": f"/hooks/{TOKEN}",
}
_PER_MINUTE = {"feishu": 100, "wecom": 20, "dingtalk": 20, "plain": 1000}
_OK: dict[str, dict[str, Any]] = {
    "feishu": {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"},
    "wecom": {"errcode": 0, "errmsg": "ok"},
    "dingtalk": {"errcode": 0, "errmsg": "ok"},
    "plain": {"received": True},
}
# What is wrong -> the code and text of each robot.
_REFUSALS = {
    "token": {
        "feishu": (19001, "param invalid: incoming webhook access token invalid"),
        "wecom": (93000, "invalid webhook url, hint: [1], more info at https://open.work.weixin.qq.com"),
        "dingtalk": (300005, "token is not exist"),
    },
    "body": {
        "feishu": (9499, "Bad Request"),
        "wecom": (40008, "invalid message type"),
        "dingtalk": (40035, "缺少参数 json"),
    },
    "size": {
        "feishu": (9499, "Bad Request"),
        "wecom": (40058, "text.content exceed max length 2048"),
        "dingtalk": (460101, "message too long"),
    },
    "keyword": {
        "feishu": (19024, "Key Words Not Found"),
        "dingtalk": (310000, "keywords not in content, more: [https://ding-doc.dingtalk.com/doc]"),
    },
    "rate": {
        "feishu": (11232, "frequency limited psm"),
        "wecom": (45009, "api freq out of limit"),
        "dingtalk": (130101, "send too fast, exceed 20 times per minute"),
    },
}


class FakeRobot:
    """A robot on 127.0.0.1; what it accepted is in ``messages``, as text.

    fault    the next calls: "slow" (answers after a minute), "500", "redirect", "huge", "html", "reset",
             "echo" (refuses and quotes the request's URL); empty for none
    keyword  a word that each message must contain
    """

    def __init__(self, kind: str, *, keyword: str = "AI") -> None:
        self.kind = kind
        self.keyword = keyword if kind in ("feishu", "dingtalk") else ""
        self.fault = ""
        self.messages: list[str] = []
        self.calls = 0
        self._accepted: list[float] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What NOTIFY_URL is set to."""
        return f"http://127.0.0.1:{self._server.server_port}{_PATHS[self.kind]}"

    def receive(self, path: str, media_type: str, content: bytes) -> dict[str, Any]:
        """The answer to a POST."""
        with self._lock:
            wrong = self._problem(path, media_type, content)
            if not wrong:
                self._accepted.append(time.monotonic())
                self.messages.append(self._text(json.loads(content)))
                return _OK[self.kind]
        code, text = _REFUSALS[wrong][self.kind]
        if self.kind == "feishu":
            return {"code": code, "msg": text, "data": {}}
        return {"errcode": code, "errmsg": text}

    def _problem(self, path: str, media_type: str, content: bytes) -> str:
        if path != _PATHS[self.kind]:
            return "token"
        try:
            text = self._text(json.loads(content.decode()))
        except (KeyError, TypeError, ValueError, AssertionError):
            return "body"
        if media_type.lower().replace(" ", "") != "application/json;charset=utf-8":
            return "body"
        if len(content) > 20_000 or (self.kind == "wecom" and len(text.encode()) > 2048):
            return "size"
        if self.keyword not in text:
            return "keyword"
        recent = [at for at in self._accepted if at > time.monotonic() - 60]
        return "rate" if len(recent) >= _PER_MINUTE[self.kind] else ""

    def _text(self, body: dict[str, Any]) -> str:
        """The text of a message. Raises when it has a missing, unknown or empty field."""
        if self.kind == "plain":
            assert set(body) == {"event", "title", "text", "link", "facts"}
            return str(body["text"])
        if self.kind != "feishu":
            assert set(body) == {"msgtype", "text"}
            assert body["msgtype"] == "text"
            assert set(body["text"]) == {"content"}
            assert body["text"]["content"]
            return str(body["text"]["content"])
        assert set(body) == {"msg_type", "content"}
        assert body["msg_type"] == "post"
        post = body["content"]["post"]["zh_cn"]
        assert set(post) == {"title", "content"}
        lines = [post["title"]]
        for paragraph in post["content"]:
            for tag in paragraph:
                assert set(tag) == ({"tag", "text", "href"} if tag["tag"] == "a" else {"tag", "text"})
                assert tag["tag"] in ("text", "a")
                assert tag["text"]
            lines.append("".join(tag["text"] for tag in paragraph))
        return "\n".join(lines)

    def _handler(robot) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                robot.calls += 1
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if robot.fault == "slow":
                    robot._stopped.wait(60)
                elif robot.fault == "reset":
                    self.connection.close()
                elif robot.fault == "redirect":
                    self.answer(302, b"", Location="http://127.0.0.1:9/elsewhere")
                elif robot.fault in ("500", "html"):
                    self.answer(500 if robot.fault == "500" else 200, b"<h1>Bad gateway</h1>")
                elif robot.fault == "huge":
                    self.answer(200, b'{"code": 0, "errcode": 0, "text": "' + b"x" * 2_000_000 + b'"}')
                elif robot.fault == "echo":
                    words = f"no such robot: {self.path}"
                    self.answer(
                        200, json.dumps({"errcode": 1, "code": 1, "errmsg": words, "msg": words}).encode()
                    )
                else:
                    found = robot.receive(self.path, self.headers["Content-Type"], content)
                    self.answer(200, json.dumps(found, ensure_ascii=False).encode())

            def answer(self, status: int, content: bytes, **headers: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        return Handler
