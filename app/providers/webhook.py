"""The webhook of NOTIFY_URL: one POST per notification, in the format of the robot that its host names.

Facts of the three robots, by their documentation (read 2026-11):

    飞书      open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
              msg_type "post", paragraphs of tags; at most 20 kB; answers code 0 (earlier StatusCode 0);
              5 messages a second, 100 a minute
    企业微信  developer.work.weixin.qq.com/document/path/91770
              msgtype "text", content at most 2,048 bytes; answers errcode 0; 20 messages a minute
    钉钉      open.dingtalk.com/document/orgapp/custom-robot-access
              msgtype "text", in UTF-8; answers errcode 0; 20 messages a minute, then none for 10 minutes;
              a robot requires a keyword, a signature or an address, of which the keyword works here

All three answer a refusal with HTTP 200 too. Any other host gets plain JSON and answers with any 2xx.
The URL contains the robot's token: no error or repr quotes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from urllib3.exceptions import HTTPError

from app.domain.notifications import Notice
from app.errors import AppError, Message, SettingError, message, network_reason
from app.providers.deadlines import DeadlineAdapter, resolve
from app.providers.http import (
    ResponseTooLarge,
    environment_settings,
    new_session,
    parse_object,
    read_body,
)
from app.providers.ssrf import AddressRefused, is_link_local, is_public
from app.setting import setting

TIMEOUT_SECONDS = 10.0  # of the whole call
_MAX_ANSWER = 64 * 1024
_MAX_QUOTED = 120  # characters of the receiver's own words


def _read_webhook(variable: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[!-~]*)?", value):  # its token is not shown
        raise SettingError(variable, "应为群机器人的完整地址，以 http:// 或 https:// 开头，请重新复制一遍")
    return value


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """The setting of notifications; it contains a token."""

    notify_url: str = setting("", _read_webhook, "Webhook 地址", kind="address", secret=True)


class NotDelivered(AppError):
    """The receiver did not take the notification; the sentence has its own words, without the token."""


@dataclass(frozen=True, slots=True)
class Robot:
    """The format of a group robot: its body, and the fields of its answer that must be 0."""

    label: str
    body: Callable[[Notice], dict[str, Any]]
    code_fields: tuple[str, ...]
    text_fields: tuple[str, ...]


def _feishu(notice: Notice) -> dict[str, Any]:
    lines: list[list[dict[str, str]]] = [[{"tag": "text", "text": line}] for line in notice.lines]
    lines.append([{"tag": "a", "text": notice.link, "href": notice.link}])
    return {"msg_type": "post", "content": {"post": {"zh_cn": {"title": notice.title, "content": lines}}}}


def _text(notice: Notice) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": notice.text}}


def _plain(notice: Notice) -> dict[str, Any]:
    return {
        "event": notice.event,
        "title": notice.title,
        "text": notice.text,
        "link": notice.link,
        "facts": dict(notice.facts),
    }


_FEISHU = Robot("飞书", _feishu, ("code", "StatusCode"), ("msg", "StatusMessage"))
ROBOTS = {
    "open.feishu.cn": _FEISHU,
    "open.larksuite.com": _FEISHU,
    "qyapi.weixin.qq.com": Robot("企业微信", _text, ("errcode",), ("errmsg",)),
    "oapi.dingtalk.com": Robot("钉钉", _text, ("errcode",), ("errmsg",)),
}
_OTHER = Robot("接收方", _plain, (), ())


class Webhook:
    """Sends notices to one URL; thread-safe."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._robot = ROBOTS.get(urlsplit(url).hostname or "", _OTHER)

    @property
    def label(self) -> str:
        """The name of the receiver: 飞书, 企业微信, 钉钉, or 接收方 for another address."""
        return self._robot.label

    def send(self, notice: Notice) -> None:
        """POST it once, on a connection of its own. Raises NotDelivered."""
        why: Message | str
        inside: list[str] = []  # addresses of the receiver that are not public

        def resolve_noting(host: str, port: int) -> list[str]:
            found = resolve(host, port)
            if host == urlsplit(self._url).hostname:  # else it is that of a proxy
                inside.extend(each for each in found if not is_public(each))
            if refused := next(filter(is_link_local, found), None):
                raise AddressRefused(host, refused)
            return found

        content = json.dumps(self._robot.body(notice), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            with (
                new_session(DeadlineAdapter(resolve_noting), **environment_settings(self._url)) as session,
                session.post(
                    self._url,
                    data=content,
                    headers=headers,
                    timeout=TIMEOUT_SECONDS,
                    stream=True,
                    allow_redirects=False,
                ) as response,
            ):
                status, answer = response.status_code, read_body(response, _MAX_ANSWER)
        except (requests.RequestException, HTTPError, ResponseTooLarge, OSError, UnicodeError) as problem:
            text, why = "{receiver}没有收到（{why}），请检查网络和 NOTIFY_URL", network_reason(problem)
        else:
            text, why = "{receiver}没有收下（{why}）", self._refusal(status, answer)
        if why and inside and self._robot is _OTHER:  # the reason would tell which ports are open there
            text = "{receiver}没有收到；它在内部网络，这里不说原因，请看它自己的日志"
        if why:
            raise NotDelivered(text, receiver=self._name, why=why)

    @property
    def _name(self) -> Message:
        return message(self._robot.label)

    def _refusal(self, status: int, content: bytes) -> Message | str:
        """What the answer says against the message; empty when it was accepted."""
        if 300 <= status < 400:
            return message("它转到了别的地址，请填最终的地址")
        fields = parse_object(content)
        codes = [fields[name] for name in self._robot.code_fields if name in fields]
        if 200 <= status < 300 and (0 in codes or not self._robot.code_fields):
            return ""
        quoted = next((str(fields[name]) for name in self._robot.text_fields if fields.get(name)), "")
        parts = [str(codes[0])[:20] if codes else f"HTTP {status}", self._without_token(quoted)[:_MAX_QUOTED]]
        return " ".join(filter(None, parts))

    def _without_token(self, text: str) -> str:
        """The receiver's words without any part of the URL that may be secret."""
        parts = urlsplit(self._url)
        secrets = [
            *(value for _, value in parse_qsl(parts.query)),
            *parts.path.split("/"),
            parts.password or "",
        ]
        for secret in sorted((s for s in secrets if len(s) >= 8), key=len, reverse=True):
            text = text.replace(secret, "…")
        return re.sub(r"\s+", " ", text).strip()
