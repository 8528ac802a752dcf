"""Volcengine's request signature (HMAC-SHA256, "V4"), using only the standard library."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

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
