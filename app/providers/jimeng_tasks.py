"""Calls of Jimeng but a submission: polls of a task, the download of its image, and the check of the keys."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.domain import GeneratedImage, ModelSpec
from app.errors import ModelError, message
from app.providers import key_check
from app.providers.base import KeyCheck, Sleep
from app.providers.downloads import Downloads
from app.providers.http import Response, ServiceClient, decode_base64
from app.providers.jimeng_errors import (
    LABEL,
    expired,
    fetch_error,
    gone,
    key_error,
    not_given,
    task_data,
    timed_out,
)
from app.providers.polling import LatencyEstimate, Poller

_REGION, _SERVICE = "cn-north-1", "cv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs POST requests to ``/`` of one service with one pair of keys; neither appears in its repr."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    def headers(
        self, host: str, query: Sequence[tuple[str, str]], body: bytes, now: datetime
    ) -> dict[str, str]:
        """Return the headers of a signed request, without ``Host``.

        host   as in the URL, with its port if any
        query  names and values, not encoded, in any order
        now    an aware datetime; the service accepts 15 minutes of difference
        """
        timestamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {
            "Content-Type": "application/json",
            "X-Content-Sha256": hashlib.sha256(body).hexdigest(),
            "X-Date": timestamp,
        }
        host = host.removesuffix(":80").removesuffix(":443")
        signed = {name.lower(): value for name, value in headers.items()} | {"host": host}
        return {**headers, "Authorization": self._authorization(signed, query, timestamp)}

    def _authorization(self, signed: dict[str, str], query: Sequence[tuple[str, str]], timestamp: str) -> str:
        names = ";".join(sorted(signed))
        scope = f"{timestamp[:8]}/{_REGION}/{_SERVICE}/request"
        request = hashlib.sha256(canonical_request(signed, query).encode()).hexdigest()
        to_sign = "\n".join(("HMAC-SHA256", timestamp, scope, request))
        key = self.secret_key.encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        signature = _hmac(key, to_sign).hex()
        credential = f"{self.access_key}/{scope}"
        return f"HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"


def canonical_request(signed: dict[str, str], query: Sequence[tuple[str, str]]) -> str:
    """Return the text to hash; ``signed`` are lower-case headers, including x-content-sha256."""
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    names = ";".join(sorted(signed))
    return "\n".join(("POST", "/", canonical_query(query), lines, names, signed["x-content-sha256"]))


def canonical_query(query: Sequence[tuple[str, str]]) -> str:
    """Return the query percent-encoded and sorted by name; the request uses it as well."""
    return urlencode(sorted(query), quote_via=quote, safe="")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


_VERSION = "2022-08-31"
_MAX_DOWNLOADS = 4
_NONEXISTENT_TASK = "1000000000000000001"  # a well-formed task id that does not exist


class JimengTasks:
    """Base class of the client: all but what a submission says.

    ``keys`` are its access key and secret key; ``producer`` is written into the implicit mark, if any.
    """

    spec: ModelSpec

    def __init__(self, endpoint: str, keys: tuple[str, str], producer: str, *, timeout: float) -> None:
        self._endpoint, self._producer, self._timeout, self._secrets = endpoint, producer, timeout, keys
        self._signer = Signer(access_key=keys[0], secret_key=keys[1])
        self._client = ServiceClient(LABEL, endpoint, timeout=min(60.0, timeout))
        self._downloads = Downloads(LABEL, endpoint, timeout=timeout)
        self.latency = LatencyEstimate()
        self._submitted_at: dict[str, float] = {}  # task id -> monotonic time, until fetched

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Poll until the task is done, then download the image; an expired URL is requested again."""
        submitted_at = self._submitted_at.pop(task_id, None)
        with Poller(self.latency, self._timeout, sleep, submitted_at=submitted_at) as poller:
            try:
                return self._wait(task_id, poller)
            except ModelError as problem:
                is_gone, problem.url_expired = problem.url_expired, False  # the next poll gives another URL
                if not is_gone or submitted_at is not None:
                    raise
        raise gone(max(self.spec.prices.values(), default=Decimal(0)))

    def check_key(self) -> KeyCheck:
        """Query a task that does not exist: the signature is checked, and the call is free."""
        answer = key_check.checked(LABEL, self._endpoint, lambda one: self._query(one, _NONEXISTENT_TASK))
        if problem := key_error(answer, *self._secrets):
            raise problem
        text = "{label}：密钥有效，签名被接受，没有花钱；{open}"
        return KeyCheck(verified=True, text=message(text, label=LABEL, open=key_check.FIRST_IMAGE))

    def call(self, post: Callable[..., Response], action: str, body: Mapping[str, Any]) -> Response:
        """Make a signed call by ``ServiceClient.post`` or ``post_once``."""
        query = (("Action", action), ("Version", _VERSION))
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        parts = urlsplit(self._endpoint)
        headers = self._signer.headers(parts.netloc, query, content, datetime.now(UTC))
        url = f"{parts.scheme}://{parts.netloc}/?{canonical_query(query)}"
        return post(url, headers=headers, content=content)

    def _wait(self, task_id: str, poller: Poller) -> GeneratedImage:
        downloads = 0
        while poller.wait():
            data = self._poll(task_id)
            if data is None:
                continue
            poller.finished()
            downloads += 1
            try:
                tagged = data.get("aigc_meta_tagged") is True if self._producer else None
                return GeneratedImage(content=self._image(data), watermark=self.spec.watermark, tagged=tagged)
            except ModelError as problem:
                if downloads == _MAX_DOWNLOADS or not problem.retryable:
                    raise
        raise timed_out()

    def _poll(self, task_id: str) -> Mapping[str, Any] | None:
        """Poll once; returns the finished task's data, None while it is running or the poll fails."""
        try:
            answer = self._query(self._client, task_id)
        except ModelError:
            return None  # free: the next poll repeats it
        data = task_data(answer)
        problem = fetch_error(answer, *self._secrets)
        if problem and not (data.get("image_urls") or data.get("binary_data_base64")):
            raise problem
        status = data.get("status")
        if status in ("expired", "not_found"):
            raise expired(message("即梦已不再保存这个任务"))
        return data if status == "done" else None

    def _image(self, data: Mapping[str, Any]) -> bytes:
        urls, contents = data.get("image_urls"), data.get("binary_data_base64")
        if isinstance(urls, list) and urls:
            return self._downloads.fetch(str(urls[0]))
        if isinstance(contents, list) and contents and (content := decode_base64(contents[0])):
            return content
        raise not_given()

    def _query(self, client: ServiceClient, task_id: str) -> Response:
        wanted: dict[str, Any] = {"return_url": True}
        if self.spec.watermark:
            wanted["logo_info"] = {"add_logo": True}
        if maker := self._producer:  # all four: the pages differ in what they require
            who = {"content_producer": maker, "content_propagator": maker}
            wanted["aigc_meta"] = who | {"producer_id": task_id, "propagate_id": task_id}
        options = json.dumps(wanted, separators=(",", ":"))
        body = {"req_key": self.spec.model_id, "task_id": task_id, "req_json": options}
        return self.call(client.post, "CVSync2AsyncGetResult", body)
