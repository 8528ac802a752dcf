"""HTTP calls to a model service: sessions, timeouts, size limits, and whether a failed call is charged.

``ServiceClient.post_once`` is for the one call that costs money, ``post`` and ``get`` for free calls.

    outcome of the call                                   billed     retried
    no connection: DNS, refused, timeout, TLS, proxy      no         yes
    connected, then lost, truncated or timed out          unknown    no
    a response                                            depends on the service, see its error table
"""

from __future__ import annotations

import base64
import io
import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from threading import local
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.utils import select_proxy
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, NewConnectionError

from app.errors import Billed, Message, ModelError, message, network_reason
from app.providers.deadlines import DeadlineAdapter
from app.providers.error_rules import outcome_unknown
from app.setting import is_loopback

MAX_BYTES = 64 * 1024 * 1024
_CHUNK = 128 * 1024
_CONNECT_ERRORS = (NewConnectionError, ConnectTimeoutError)
_NOT_SENT = (
    *_CONNECT_ERRORS,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,  # also of a proxy
    requests.exceptions.InvalidHeader,
    LocationValueError,
    UnicodeError,
)


class ResponseTooLarge(Exception):
    """A body larger than its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response of a service: HTTP status, case-insensitive headers, body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is not one."""
        return parse_object(self.content)


class ServiceClient:
    """A thread-safe HTTP client of one service, with one session per thread.

    label    display name of the service, for error messages
    service  its URL; proxies and certificates for it are looked up at the first call
    timeout  seconds for the whole response
    """

    def __init__(self, label: str | Message, service: str, *, timeout: float) -> None:
        self._label = label
        self._service = service
        self._timeout = timeout

    @cached_property
    def _environment(self) -> dict[str, Any]:
        return environment_settings(self._service)

    @cached_property
    def _free(self) -> _FreeSession:
        return _FreeSession(self._environment)

    def post_once(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Response:
        """POST a request that may be charged, once, on a new connection. Raises ModelError.

        A reused connection may already be closed by the server, which looks like a lost response: a charge
        would seem possible although nothing was sent. ``Connection: close`` alone is not enough: servers
        close without announcing it, and the pool would retry the connection.
        """
        with new_session(DeadlineAdapter(), **self._environment) as session:
            return self._call(session, "POST", url, {**headers, "Connection": "close"}, content)

    def post(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Response:
        """POST a free request. Raises ModelError."""
        return self._call(self._free.session, "POST", url, headers, content)

    def get(self, url: str, *, headers: Mapping[str, str]) -> Response:
        """GET a free resource. Raises ModelError."""
        return self._call(self._free.session, "GET", url, headers, None)

    def _call(
        self,
        session: requests.Session,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Response:
        options: dict[str, Any] = {"timeout": self._timeout, "stream": True, "allow_redirects": False}
        try:
            with session.request(method, url, data=content, headers=dict(headers), **options) as response:
                content = read_body(response)
                return Response(status=response.status_code, headers=response.headers, content=content)
        except (requests.RequestException, HTTPError, ResponseTooLarge, OSError, UnicodeError) as problem:
            raise self._error(problem, proxy_for(url, session)) from None

    def _error(self, problem: Exception, proxy: str) -> ModelError:
        why = network_reason(problem)
        if not failed_before_send(problem):
            return outcome_unknown(self._label, why)
        text = message("连不上{label}（{why}），请检查网络和服务地址", label=self._label, why=why)
        if proxy:
            text = message(
                "经过代理 {proxy} 连不上{label}（{why}），请打开或关掉这个代理",
                proxy=proxy,
                label=self._label,
                why=why,
            )
        return ModelError(text, cause="network", billed=Billed.NO, retryable=True)


class _FreeSession(local):
    """The session of one thread for free calls, which may reuse connections."""

    def __init__(self, environment: Mapping[str, Any]) -> None:
        self.session = new_session(DeadlineAdapter(), **environment)


def new_session(
    adapter: DeadlineAdapter, *, proxies: Mapping[str, str], verify: bool | str
) -> requests.Session:
    """Create a session without cookies, environment settings, ``.netrc`` or automatic retries."""
    session = requests.Session()
    session.trust_env = False
    session.proxies = dict(proxies)
    session.verify = verify
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": "ai-image-generator", "Accept-Encoding": "identity"})
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def environment_settings(url: str) -> dict[str, Any]:
    """Return the environment's ``proxies`` (none for local addresses) and ``verify`` for a URL."""
    with requests.Session() as session:
        found = session.merge_environment_settings(url, {}, None, None, None)
    is_local = _is_local(urlsplit(url).hostname or "")
    return {"proxies": {} if is_local else found["proxies"], "verify": found["verify"]}


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


def read_body(response: requests.Response, limit: int | None = None) -> bytes:
    """Read the whole body, at most ``limit`` bytes (MAX_BYTES). Raises ResponseTooLarge, HTTPError."""
    body = io.BytesIO()  # hands out what it has without a copy
    for piece in pieces(response, MAX_BYTES if limit is None else limit):
        body.write(piece)
    return body.getvalue()


def announced(response: requests.Response) -> int:
    """The length of a body in bytes as its header says; 0 without it."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else 0


def pieces(response: requests.Response, most: int) -> Iterator[bytes]:
    """The body as it comes, decompressed a piece at a time, at most this many bytes.

    Raises ResponseTooLarge, before anything is read if the header announces more; and HTTPError.
    """
    if announced(response) > most:
        raise ResponseTooLarge
    size, is_encoded = 0, "Content-Encoding" in response.headers
    while piece := response.raw.read1(_CHUNK, decode_content=is_encoded):
        size += len(piece)
        if size > most:
            raise ResponseTooLarge
        yield piece


def failed_before_send(problem: BaseException) -> bool:
    """Return whether a call failed before any of it was sent."""
    inner = getattr(problem.args[0], "reason", None) if problem.args else None
    inner = getattr(inner, "original_error", inner)  # an unreachable proxy
    return isinstance(problem, _NOT_SENT) or isinstance(inner, _CONNECT_ERRORS)


def secrets_in(url: str) -> tuple[str, ...]:
    """The user and password in a URL as Basic authentication, and the password as it is meant and written."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return (token, password, parts.password or "") if user else ()


def parse_object(text: Any) -> dict[str, Any]:
    """Parse a JSON object; empty when the text is not one."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def decode_base64(text: Any) -> bytes | None:
    """Decode a base64 image, on one line or many, with or without ``data:…,``; None when invalid."""
    try:
        return base64.b64decode("".join(text.rpartition(",")[2].split()), validate=True) or None
    except (AttributeError, ValueError):
        return None
