"""Volcengine's request signature (HMAC-SHA256, "V4"), using only the standard library."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs POST requests to ``/`` of one service with one pair of keys; neither appears in its repr."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "cn-north-1"
    service: str = "cv"

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
        signed = {name.lower(): value.strip() for name, value in headers.items()} | {"host": _bare(host)}
        return {**headers, "Authorization": self._authorization(signed, query, timestamp)}

    def _authorization(self, signed: dict[str, str], query: Sequence[tuple[str, str]], timestamp: str) -> str:
        names = ";".join(sorted(signed))
        scope = f"{timestamp[:8]}/{self.region}/{self.service}/request"
        request = hashlib.sha256(canonical_request(signed, query).encode()).hexdigest()
        to_sign = "\n".join(("HMAC-SHA256", timestamp, scope, request))
        signature = _hmac(self._key(timestamp[:8]), to_sign).hex()
        credential = f"{self.access_key}/{scope}"
        return f"HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"

    def _key(self, day: str) -> bytes:
        key = self.secret_key.encode()
        for part in (day, self.region, self.service, "request"):
            key = _hmac(key, part)
        return key


def canonical_request(signed: dict[str, str], query: Sequence[tuple[str, str]]) -> str:
    """Return the text to hash; ``signed`` are lower-case headers, including x-content-sha256."""
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    names = ";".join(sorted(signed))
    return "\n".join(("POST", "/", canonical_query(query), lines, names, signed["x-content-sha256"]))


def canonical_query(query: Sequence[tuple[str, str]]) -> str:
    """Return the query percent-encoded and sorted by name; the request uses it as well."""
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(query))


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _bare(host: str) -> str:
    return host.removesuffix(":80").removesuffix(":443")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
