"""HTTP calls to a model service: sessions, timeouts, size limits, and whether a failed call is charged.

``ServiceClient.post_once`` is for the one call that costs money, ``post`` and ``get`` for free calls.

    outcome of the call                                   billed     retried
    no connection: DNS, refused, timeout, TLS, proxy      no         yes
    connected, then lost, truncated or timed out          unknown    no
    a response                                            depends on the service, see its module
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from threading import local
from typing import Any, ClassVar, NoReturn
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, NewConnectionError

from app.config import is_loopback
from app.domain import GeneratedImage, whole_characters
from app.errors import Billed, ModelError
from app.providers.base import Sleep, SubmitResult
from app.providers.deadlines import TimedAdapter, TimedConnection, TimedTLSConnection

MAX_BYTES = 64 * 1024 * 1024
# Statuses that a proxy may return after forwarding: timeout, failed dependency, closed connection.
AFTER_THE_ORDER = (408, 424, 444, 460, 499)
_CHUNK = 128 * 1024
_NOT_A_CALL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,  # also of a proxy
    requests.exceptions.InvalidHeader,
    LocationValueError,
    UnicodeError,
)


class ResponseTooLarge(Exception):
    """A body larger than MAX_BYTES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response of a service: HTTP status, case-insensitive headers, body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is not one."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class ServiceClient:
    """A thread-safe HTTP client of one service, with one session per thread.

    label    display name of the service, for error messages
    service  its URL; proxies and certificates for it are looked up once
    timeout  seconds for the whole response
    """

    def __init__(self, label: str, service: str, *, timeout: float) -> None:
        self._label = label
        self._timeout = timeout
        self._environment = environment_settings(service)
        self._mine = local()

    def post_once(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Response:
        """POST a request that may be charged, once, on a new connection. Raises ModelError.

        A reused connection may already be closed by the server, which looks like a lost response: a charge
        would seem possible although nothing was sent. ``Connection: close`` alone is not enough: servers
        close without announcing it, and the pool would retry the connection.
        """
        alone = {**headers, "Connection": "close"}
        with self._new_session() as session:
            return self._call(session, "POST", url, alone, content)

    def post(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Response:
        """POST a free request. Raises ModelError."""
        return self._call(self._session(), "POST", url, headers, content)

    def get(self, url: str, *, headers: Mapping[str, str]) -> Response:
        """GET a free resource. Raises ModelError."""
        return self._call(self._session(), "GET", url, headers, None)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._mine, "session", None)
        if session is None:
            session = self._mine.session = self._new_session()
        return session

    def _new_session(self) -> requests.Session:
        session = new_session(ConnectErrorAdapter())
        session.proxies = dict(self._environment["proxies"])
        session.verify = self._environment["verify"]
        return session

    def _call(
        self,
        session: requests.Session,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Response:
        try:
            with session.request(
                method,
                url,
                data=content,
                headers=dict(headers),
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
            ) as response:
                content = read_body(response)
                return Response(status=response.status_code, headers=response.headers, content=content)
        except (requests.RequestException, HTTPError, ResponseTooLarge, OSError, UnicodeError) as problem:
            self._raise_error(problem, proxy_for(url, session))

    def _raise_error(self, problem: Exception, proxy: str) -> NoReturn:
        if failed_before_send(problem):
            text = f"连不上{self._label}（{reason(problem)}），请检查网络和服务地址"
            if proxy:
                text = f"经过代理 {proxy} 连不上{self._label}（{reason(problem)}），请打开或关掉这个代理"
            raise ModelError(text, cause="network", billed=Billed.NO, retryable=True) from None
        raise outcome_unknown(self._label, reason(problem)) from None


class Backoff:
    """Pauses between polls, growing from 1 s to 3 s, until ``seconds`` have passed."""

    def __init__(self, seconds: float, sleep: Sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._started = time.monotonic()
        self._paused = 0.0

    def again(self) -> bool:
        """Pause and return True; return False at once when the time is up."""
        left = self._seconds - max(time.monotonic() - self._started, self._paused)
        if left <= 0:
            return False
        rest = min(max(1.0, self._paused / 8), 3.0, left)
        self._paused += rest
        self._sleep(rest)
        return True


def new_session(adapter: HTTPAdapter) -> requests.Session:
    """Create a session without cookies, environment settings, ``.netrc`` or automatic retries."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": "ai-image-generator", "Accept-Encoding": "identity"})
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def environment_settings(url: str) -> Mapping[str, Any]:
    """Return the environment's ``proxies`` (none for local addresses) and ``verify`` for a URL."""
    with requests.Session() as session:
        found = dict(session.merge_environment_settings(url, {}, None, None, None))
    if _is_local(urlsplit(url).hostname or ""):
        found["proxies"] = {}
    return found


def proxy_for(url: str, session: requests.Session) -> str:
    """Return host and port of the proxy for a URL, without credentials; empty when none is used."""
    proxy = select_proxy(url, session.proxies) or ""
    return proxy.rpartition("://")[2].rpartition("@")[2].strip("/")


def _is_local(host: str) -> bool:
    """Return whether a host is local: loopback, a non-public address, without dots, or ``.local``."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return is_loopback(host) or "." not in host or host.lower().endswith(".local")


def read_body(response: requests.Response) -> bytes:
    """Read the whole body, at most MAX_BYTES. Raises ResponseTooLarge, HTTPError."""
    body = bytearray()
    packed = "Content-Encoding" in response.headers
    while chunk := response.raw.read1(_CHUNK, decode_content=packed):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ResponseTooLarge("内容过大")
    return bytes(body)


def failed_before_send(problem: BaseException) -> bool:
    """Return whether a call failed before any of it was sent."""
    inner = getattr(problem.args[0], "reason", None) if problem.args else None
    inner = getattr(inner, "original_error", inner)  # an unreachable proxy
    kinds = (NewConnectionError, ConnectTimeoutError)
    return isinstance(problem, (*kinds, *_NOT_A_CALL)) or isinstance(inner, kinds)


def reason(problem: BaseException) -> str:
    """Return a short Chinese reason for a failed call, without its URL or content."""
    text = repr(problem)
    known = {
        "Name or service|NameResolution|getaddrinfo|nodename": "域名解析失败",
        "refused|10061": "连接被拒绝",
        "CERTIFICATE|certificate": "证书无效",
        "SOCKS": "用不了 SOCKS 代理",
        "Tunnel connection failed": "代理没有放行",
        "ConnectTimeout": "连接超时",
        "timed out|Timeout": "等待答复超时",
        "内容过大": "内容过大",
    }
    return next((words for pattern, words in known.items() if re.search(pattern, text)), "连接中断")


def outcome_unknown(label: str, why: str) -> ModelError:
    """Return the error for a submission with an unknown outcome."""
    return ModelError(
        f"请求已发给{label}，但没有收到完整的答复（{why}），可能已计费，请先到服务商的控制台核对，再决定是否重试",
        cause="network",
        billed=Billed.UNKNOWN,
    )


def too_many_calls(label: str, code: str) -> ModelError:
    """Return the error for a throttled call."""
    return ModelError(
        f"{label}说请求太多，稍后会自动重试（{code}）",
        cause="limit",
        billed=Billed.NO,
        retryable=True,
        throttled=True,
    )


def was_refused(status: int) -> bool:
    """Return whether an HTTP status, from the service or a proxy, proves that a request was not accepted."""
    return 400 <= status < 500 and status not in AFTER_THE_ORDER


def unrecognised(label: str, answer: Response) -> ModelError:
    """Return the error for a response to a submission that is not in the service's format.

    Redirects and the statuses of ``was_refused`` mean "not accepted"; others leave that open.
    """
    status = answer.status
    if status == 429:
        return too_many_calls(label, "HTTP 429")
    if status in (301, 302, 303, 307, 308, 404, 405):
        text = f"{label}的地址不对（HTTP {status}），请检查设置里的服务地址"
        return ModelError(text, cause="request", billed=Billed.NO, pauses_batch=True)
    if status in (401, 403, 407):
        text = f"{label}拒绝了访问（HTTP {status}），请检查密钥和权限"
        return ModelError(text, cause="key", billed=Billed.NO, pauses_batch=True)
    if was_refused(status):
        text = f"{label}没有接受这个请求（HTTP {status}），请检查提示词和参数"
        return ModelError(text, cause="request", billed=Billed.NO)
    return ModelError(
        f"{label}的答复无法识别（HTTP {status}），可能已计费，请先到服务商的控制台核对，再决定是否重试",
        cause="service",
        billed=Billed.UNKNOWN,
    )


def parse_error(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and message of an error in the OpenAI format or a variant; empty when absent.

    Servers send ``error`` as an object or as text, or ``detail`` (text or a list) or ``errors``.
    """
    error = fields.get("error")
    if isinstance(error, dict):
        code = error.get("code") or error.get("type") or ""
        return str(code), str(error.get("message") or "")
    words = fields.get("detail") or fields.get("errors") or fields.get("message") or ""
    if isinstance(words, list):
        words = "；".join(str(each.get("msg", each) if isinstance(each, dict) else each) for each in words)
    return ("", f"{error or ''} {words}".strip())


def parse_image(label: str, fields: Mapping[str, Any], *, base: str = "") -> SubmitResult:
    """Parse an image entry in the OpenAI format: a URL as the task id, or the image. Raises ModelError.

    URLs may be relative to ``base``; some servers send the image itself as a ``data:`` URL.
    """
    url = fields.get("url")
    is_packed = isinstance(url, str) and url.startswith("data:")
    if isinstance(url, str) and url and not is_packed:
        with suppress(ValueError):
            return SubmitResult(task_id=urljoin(base, url))
    content = decode_base64(url if is_packed else fields.get("b64_json"))
    if content is None:
        raise outcome_unknown(label, "答复里没有图片")
    return SubmitResult(image=GeneratedImage(content=content))


def decode_base64(text: Any) -> bytes | None:
    """Decode a base64 image, on one line or many, with or without ``data:…,``; None when invalid."""
    try:
        return base64.b64decode("".join(text.rpartition(",")[2].split()), validate=True) or None
    except (AttributeError, ValueError):
        return None


def redacted(text: Any, *secrets: str) -> str:
    """Return a service's message on one line, at most 160 characters, without our keys."""
    words = " ".join(whole_characters(str(text)).split())
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    words = re.sub(r"\b(sk|ak|AKLT)[-_]?[\w*-]{6,}", "***", words)
    return words[:160]


class _Connection(TimedConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPException) as problem:  # an invalid TLS handshake or proxy response
            raise _not_connected(self, problem) from problem


class _TLSConnection(_Connection, TimedTLSConnection):
    pass


def _not_connected(connection: HTTPConnection, problem: Exception) -> NewConnectionError:
    kind = "CERTIFICATE" if isinstance(problem, ssl.SSLCertVerificationError) else repr(problem)
    return NewConnectionError(connection, kind)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class ConnectErrorAdapter(TimedAdapter):
    """Distinguishes failure to connect, including at a proxy or in TLS, from a broken connection."""

    pools: ClassVar = {"http": _Pool, "https": _TLSPool}
