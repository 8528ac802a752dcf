"""Download finished images from public addresses or the service's own, with size and time limits."""

from __future__ import annotations

import time
from threading import Semaphore, local
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from app.domain import Reference
from app.errors import Billed, ModelError
from app.providers.base import Sleep
from app.providers.deadlines import TimedAdapter
from app.providers.http import Backoff, ResponseTooLarge, environment_settings, new_session, read_body, reason
from app.providers.ssrf import AddressRefused, PublicAddressAdapter

MAX_REDIRECTS = 3
_FETCHES = 4
_AT_ONCE = 16  # concurrent downloads: limits memory use
_GONE = (403, 404, 410)  # what a storage service returns for an expired URL
_PORTS = {"http": 80, "https": 443}
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")


class Downloads:
    """Downloads result URLs of one service; thread-safe.

    service  the configured URL: its own host and port need not be public
    timeout  seconds for one whole image
    renews   the service returns a new URL on the next poll: an expired one is not final
    """

    def __init__(self, label: str, service: str, *, timeout: float, renews: bool = False) -> None:
        self._label = label
        self._renews = renews
        self._own = _origin(urlsplit(service))
        self._timeout = timeout
        self._verify = environment_settings(service)["verify"]
        self._mine = local()
        self._at_once = Semaphore(_AT_ONCE)

    def fetch(self, url: str) -> bytes:
        """Return the image bytes; only their signature is checked, they are not decoded.

        Raises ModelError of cause ``download``: billed; the task id stays valid.
        Free and repeatable.
        """
        with self._at_once:
            until = time.monotonic() + self._timeout
            for _ in range(MAX_REDIRECTS + 1):
                content, url = self._request(url, seconds=until - time.monotonic())
                if content is not None:
                    return content
        raise self._failure("转向次数太多")

    def fetch_with_retries(self, url: str, sleep: Sleep) -> bytes:
        """As ``fetch``, up to 4 times with growing pauses: for URLs that cannot be renewed."""
        waiting = Backoff(self._timeout, sleep)
        for _ in range(_FETCHES - 1):
            try:
                return self.fetch(url)
            except ModelError as problem:
                if not problem.retryable or not waiting.again():
                    raise
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
            text = f"参考图「{reference.filename}」没有取到，请检查它的地址或换一张"
            raise ModelError(text, cause="download", billed=Billed.NO, retryable=problem.retryable) from None

    def _request(self, url: str, *, seconds: float) -> tuple[bytes | None, str]:
        """Make one request; returns (image, "") or (None, the redirect's URL)."""
        session = self._session_for(url)
        try:
            with session.get(url, timeout=seconds, stream=True, allow_redirects=False) as response:
                if response.is_redirect:
                    return None, urljoin(url, response.headers["Location"])
                if response.status_code != 200:
                    is_gone = response.status_code in _GONE
                    raise self._failure(f"HTTP {response.status_code}", gone=is_gone)
                return self._checked(read_body(response)), ""
        except (requests.RequestException, HTTPError, ResponseTooLarge, OSError, ValueError) as problem:
            raise self._explain(problem) from None

    def _session_for(self, url: str) -> requests.Session:
        parts = self._split(url)
        own = _origin(parts) == self._own
        name = "own" if own else "public"
        session: requests.Session | None = getattr(self._mine, name, None)
        if session is None:
            session = new_session(TimedAdapter() if own else PublicAddressAdapter())
            session.verify = self._verify
            setattr(self._mine, name, session)
        return session

    def _split(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            fine = parts.scheme in _PORTS and parts.hostname and parts.port != 0 and not parts.username
        except ValueError:
            fine = False
        if not fine:
            raise self._failure("不是可以下载的网址", retryable=False, gone=True)
        return parts

    def _checked(self, content: bytes) -> bytes:
        if not content.startswith(_SIGNATURES):
            raise self._failure("收到的不是图片")
        return content

    def _explain(self, problem: Exception) -> ModelError:
        refused = _refusal(problem)
        if refused is None:
            return self._failure(reason(problem))
        hint = (
            "；若使用代理软件的 fake-ip 模式，请把该域名排除" if refused.address.startswith("198.1") else ""
        )
        text = f"图片地址 {refused.host} 指向内部网络（{refused.address}），为安全起见没有下载{hint}"
        return self._failure(text, retryable=False)

    def _failure(self, why: str, *, retryable: bool = True, gone: bool = False) -> ModelError:
        return ModelError(
            f"图片已在{self._label}生成，但没有下载成功（{why}），可以再取一次，不会重复计费",
            cause="download",
            billed=Billed.YES,
            retryable=retryable,
            task_valid=True,
            gone=gone and not self._renews,
        )


def _origin(parts: SplitResult) -> tuple[str, int]:
    """Return host and port of a URL, regardless of its scheme."""
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def _refusal(problem: BaseException) -> AddressRefused | None:
    """Return the AddressRefused wrapped in an exception of requests or urllib3, or None."""
    inner: object = problem
    for _ in range(4):
        if isinstance(inner, AddressRefused):
            return inner
        inner = getattr(inner, "reason", None) or next(iter(getattr(inner, "args", ())), None)
    return None
