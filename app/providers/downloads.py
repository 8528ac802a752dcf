"""Download finished images from public addresses or the service's own, with size and time limits."""

from __future__ import annotations

import io
import time
from contextlib import ExitStack, suppress
from functools import cached_property
from threading import Semaphore, local
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from app.domain import Reference
from app.errors import Billed, Message, ModelError, message, network_reason
from app.providers.base import LONGEST_TASK_ID, Sleep
from app.providers.deadlines import DeadlineAdapter
from app.providers.http import (
    ResponseTooLarge,
    announced,
    environment_settings,
    new_session,
    pieces,
)
from app.providers.ssrf import AddressRefused, resolve_public

MAX_REDIRECTS = 3
_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0
_OVERSIZED_ATTEMPTS = 3
_MAX_CONCURRENT = 16  # limits memory use
_LARGE = 8 * 2**20  # bytes
_MAX_BYTES = 40 * 2**20  # of an image; a PNG of 2K and 16 bits weighs 32 MB at its worst
_EXPIRED_STATUSES = (403, 404, 410)  # what a storage service returns for an expired URL
_PORTS = {"http": 80, "https": 443}
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")
_large_ones = Semaphore(2)  # of this process: images above _LARGE, which are read at once


class Downloads:
    """Downloads result URLs of one service; thread-safe.

    service  the configured URL: its own host and port need not be public
    timeout  seconds for one whole image
    """

    def __init__(self, label: str | Message, service: str, *, timeout: float) -> None:
        self._label = label
        self._service = service
        self._own_origin = _origin(urlsplit(service))
        self._timeout = timeout
        self._slots = Semaphore(_MAX_CONCURRENT)

    @cached_property
    def _sessions(self) -> _Sessions:
        return _Sessions(environment_settings(self._service)["verify"])

    def fetch(self, url: str) -> bytes:
        """Return the image bytes; only their signature is checked, they are not decoded.

        More than 40 MiB are not read, and not asked for again after three attempts.
        Raises ModelError of cause ``download``: billed; the task id stays valid.
        Free and repeatable.
        """
        with self._slots:
            until = time.monotonic() + self._timeout
            for _ in range(_OVERSIZED_ATTEMPTS):
                with suppress(ResponseTooLarge):
                    return self._follow(url, until)
        raise self._error(message("内容过大"), retryable=False)

    def _follow(self, url: str, until: float) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            content, url = self._request(url, until)
            if content is not None:
                return content
        raise self._error(message("转向次数太多"))

    def fetch_with_retries(self, url: str, sleep: Sleep) -> bytes:
        """As ``fetch``, up to 4 times with pauses, within ``timeout``: for URLs that cannot be renewed."""
        until = time.monotonic() + self._timeout
        for _ in range(_ATTEMPTS - 1):
            try:
                return self.fetch(url)
            except ModelError as problem:
                left = until - time.monotonic()
                if not problem.retryable or left <= 0:
                    raise
            sleep(min(_PAUSE_SECONDS, left))
        return self.fetch(url)

    def reference(self, reference: Reference) -> bytes:
        """Return the bytes of a reference image, downloaded when only its URL is known. Raises ModelError.

        Called before submitting, so that its errors are not billed.
        """
        if reference.content is not None:
            return reference.content
        try:
            return self.fetch(reference.url or "")
        except ModelError as problem:
            raise ModelError(
                "参考图「{name}」没有取到，请检查它的地址或换一张",
                name=reference.filename,
                cause="download",
                billed=Billed.NO,
                retryable=problem.retryable,
            ) from None

    def _request(self, url: str, until: float) -> tuple[bytes | None, str]:
        """Make one request; returns (image, "") or (None, the redirect's URL). Raises ResponseTooLarge."""
        session = self._session_for(url)
        try:
            with session.get(
                url, timeout=until - time.monotonic(), stream=True, allow_redirects=False
            ) as response:
                if response.is_redirect:
                    return None, urljoin(url, response.headers["Location"])
                if response.status_code != 200:
                    is_expired = response.status_code in _EXPIRED_STATUSES
                    raise self._error(f"HTTP {response.status_code}", url_expired=is_expired)
                content = _read(response, until)
        except AddressRefused as refused:
            raise self._refused(refused) from None
        except (requests.RequestException, HTTPError, OSError, ValueError) as problem:
            raise self._error(network_reason(problem)) from None
        if not content.startswith(_SIGNATURES):
            raise self._error(message("收到的不是图片"))
        return content, ""

    def _session_for(self, url: str) -> requests.Session:
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme in _PORTS and parts.hostname and parts.port != 0 and not parts.username
            is_valid = is_valid and len(url) <= LONGEST_TASK_ID
        except ValueError:
            is_valid = False
        if not is_valid:
            raise self._error(message("不是可以下载的网址"), retryable=False, url_expired=True)
        return self._sessions.own if _origin(parts) == self._own_origin else self._sessions.public

    def _refused(self, refused: AddressRefused) -> ModelError:
        is_fake_ip = refused.address.startswith("198.1")
        hint = message("；如果代理软件用了 fake-ip 模式，请排除这个域名") if is_fake_ip else ""
        text = message(
            "图片地址 {host} 指向内部网络（{address}），为安全起见没有下载{hint}",
            host=refused.host,
            address=refused.address,
            hint=hint,
        )
        return self._error(text, retryable=False)

    def _error(self, why: str | Message, *, retryable: bool = True, url_expired: bool = False) -> ModelError:
        return ModelError(
            "图片已在{label}生成，但没有下载成功（{why}）；可以取回，不会重复计费",
            label=self._label,
            why=why,
            cause="download",
            billed=Billed.YES,
            retryable=retryable,
            task_valid=True,
            url_expired=url_expired,
        )


class _Sessions(local):
    """The sessions of one thread: for the service's own address, and for public addresses only."""

    def __init__(self, verify: bool | str) -> None:
        self.own = new_session(DeadlineAdapter(), proxies={}, verify=verify)
        self.public = new_session(DeadlineAdapter(resolve_public), proxies={}, verify=verify)


def _read(response: requests.Response, until: float) -> bytes:
    """The body; only few large ones are read at once, in turn. Raises TimeoutError, ResponseTooLarge."""
    body, is_large = io.BytesIO(), False
    with ExitStack() as held:
        for piece in pieces(response, _MAX_BYTES):
            if not is_large and max(announced(response), body.tell()) > _LARGE:
                if not (is_large := _large_ones.acquire(timeout=max(0.0, until - time.monotonic()))):
                    raise TimeoutError("timed out")
                held.callback(_large_ones.release)
            body.write(piece)
        return body.getvalue()


def _origin(parts: SplitResult) -> tuple[str, int]:
    """Return host and port of a URL, regardless of its scheme."""
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
