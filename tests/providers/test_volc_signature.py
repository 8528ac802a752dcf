"""The signature, against vectors computed with two official packages and by hand."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from app.providers.jimeng_tasks import Signer, canonical_query, canonical_request

HOST = "visual.volcengineapi.com"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = Signer(access_key="AKLTtest", secret_key="c2VjcmV0")
SUBMIT = [("Action", "CVSync2AsyncSubmitTask"), ("Version", "2022-08-31")]
BODY = b'{"req_key":"jimeng_t2i_v40","prompt":"a red fox","size":4194304,"force_single":true}'
CHINESE = (
    '{"req_key":"jimeng_t2i_v40","prompt":"雪山下的小屋，水彩","image_urls":["https://example.com/a.png"],'
    '"width":2304,"height":1728,"scale":0.5,"force_single":true}'
).encode()
RESULT = b'{"req_key":"jimeng_t2i_v40","task_id":"7392616336519610409","req_json":"{\\"return_url\\":true}"}'


def signed(*, host: str = HOST, query: list[tuple[str, str]] = SUBMIT, body: bytes = BODY) -> dict[str, str]:
    return SIGNER.headers(host, query, body, NOW)


def signature(headers: dict[str, str]) -> str:
    return headers["Authorization"].rpartition("Signature=")[2]


def test_signs_an_ascii_request_like_the_official_packages() -> None:
    headers = signed()
    assert headers["X-Content-Sha256"] == "942107a3f653e324d71a2f0010632ed0727a8e898f46e8ec73082ed14297f045"
    assert headers["Authorization"] == (
        "HMAC-SHA256 Credential=AKLTtest/20260101/cn-north-1/cv/request, "
        "SignedHeaders=content-type;host;x-content-sha256;x-date, "
        "Signature=b3bc772bbf1902f2cd0fad4654975fab198ab171489784bb339165d8eb6f864f"
    )


ODD = [*SUBMIT, ("Note", "a b+c/中~_-.*")]
VECTORS: dict[str, tuple[dict[str, Any], str]] = {
    "Chinese": ({"body": CHINESE}, "0d671bdc6f8bff056967b88352573fc0ed4bc26ccd2257b60d14733e3345b955"),
    "no body": ({"body": b""}, "e3fd2fb15287768efaf8f87b438c6e5771d3f3a0e835f7d91132a7c43e225dfe"),
    "another port": (
        {"host": "127.0.0.1:8901"},
        "26b90370c8cd3612de10c11d1260ccd0757011317065dda7014753171b27cd21",
    ),
    "odd characters": ({"query": ODD}, "bd6de6dfa345c602ac9778767cf9653784ebb8da78734c5c39cf9d03da74a71c"),
}


@pytest.mark.parametrize("kind", VECTORS)
def test_a_request_has_the_known_signature(kind: str) -> None:
    request, expected = VECTORS[kind]
    assert signature(signed(**request)) == expected


def test_query_values_are_encoded_exactly() -> None:
    encoded = "Action=CVSync2AsyncSubmitTask&Note=a%20b%2Bc%2F%E4%B8%AD~_-.%2A&Version=2022-08-31"
    assert canonical_query(ODD) == encoded


def test_signs_a_query_out_of_order() -> None:
    query = [("Version", "2022-08-31"), ("Action", "CVSync2AsyncGetResult")]
    assert signature(signed(query=query, body=RESULT)) == signature(signed(query=query[::-1], body=RESULT))


def test_the_default_port_is_left_out() -> None:
    assert signature(signed(host=f"{HOST}:443")) == signature(signed())


def test_the_canonical_request_is_the_published_one() -> None:
    lines = {
        "content-type": "application/json",
        "host": HOST,
        "x-content-sha256": hashlib.sha256(BODY).hexdigest(),
        "x-date": "20260101T000000Z",
    }
    hashed = hashlib.sha256(canonical_request(lines, SUBMIT).encode()).hexdigest()
    assert hashed == "87cde798ea12755ab6cde5540e90ca22a7267eeedf5a481078d3304fb102b336"


def test_keys_are_not_in_the_repr() -> None:
    assert "c2VjcmV0" not in repr(SIGNER)
    assert "AKLT" not in repr(SIGNER)
