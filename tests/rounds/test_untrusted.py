"""Tokens, ids and bodies that no page sends: each is answered, soon, in one sentence."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.config import Settings
from tests.rounds.harness import LAN, Studio, Visitor
from tools.fuzzing import PATHS, TEXTS

REFUSED = {400, 401, 403, 404, 405, 409, 413, 415, 429}
_VALUE = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(TEXTS[:40]))
_JSON = st.recursive(
    _VALUE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
)
_MARK = st.fixed_dictionaries(
    {},
    optional={
        "mark": st.one_of(st.sampled_from(["heart", "reject", None, "", "HEART"]), _JSON),
        "comment": st.one_of(st.sampled_from(TEXTS[:60]), _JSON),
        "record_id": st.just(1),
    },
)
_BODY = st.one_of(
    _JSON,
    st.dictionaries(
        st.sampled_from(["1", "2", "3", "5", "0", "-1", "01", "1e3", "9" * 30, "", "١"]),
        st.one_of(_MARK, _JSON),
    ),
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    folder = tmp_path_factory.mktemp("untrusted")
    studio = Studio(
        Settings(database_path=folder / "a.db", output_dir=folder / "out", samples_dir=folder / "samples")
    )
    return studio.visitor(studio.open_round(studio.make_table(), at_most=2)["link"])


@MANY
@given(body=_BODY, raw=st.one_of(st.none(), st.binary(max_size=60)))
def test_every_body_of_marks_is_stored_whole_or_refused(
    visitor: Visitor, body: Any, raw: bytes | None
) -> None:
    before = visitor.state()
    raw = json.dumps(body).encode() if raw is None else raw
    answer = visitor.open("/marks", "PUT", data=raw, content_type="application/json")
    after = visitor.state()
    assert answer.status_code in REFUSED | {200}
    assert answer.get_json()["success"] is (answer.status_code == 200)
    if answer.status_code != 200:
        assert after == before
        assert answer.get_json()["error"].splitlines() == [answer.get_json()["error"]]
    assert after["round"]["chosen"] <= 2
    assert all(len(picture["comment"]) <= 500 for picture in after["pictures"])


@MANY
@given(
    token=st.one_of(st.sampled_from(PATHS), st.text(max_size=60).map(lambda text: quote(text, safe=""))),
    path=st.sampled_from(["", "/state", "/pictures/1", "/marks", "/submit", "/chosen.zip", "/x/y"]),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
)
def test_no_other_token_opens_anything(visitor: Visitor, token: str, path: str, method: str) -> None:
    answer = visitor.browser.open(f"/r/{token}{path}", method=method, base_url=LAN, buffered=True)
    assert answer.status_code in (*REFUSED, 301, 302, 308)
    assert b"A-1" not in answer.data
    assert b"\xff\xd8\xff" not in answer.data


@MANY
@given(
    n=st.one_of(st.integers().map(str), st.sampled_from(PATHS)),
    query=st.sampled_from(
        ["", "?size=large", "?size=../x", "?earlier=1", "?earlier=2&size=9", "?size[]=large"]
    ),
)
def test_a_picture_is_found_by_its_number_in_the_round_alone(visitor: Visitor, n: str, query: str) -> None:
    answer = visitor.open(f"/pictures/{n}{query}", buffered=True)
    is_there = n in ("1", "2", "3", "4") and "earlier=1" not in query
    assert (answer.status_code == 200) is is_there or answer.status_code in (301, 302, 308)
    assert (answer.mimetype == "image/jpeg") is is_there


@pytest.mark.parametrize("text", TEXTS[:60])
def test_a_round_takes_any_words_or_says_why_not(visitor: Visitor, text: str) -> None:
    body = {"client": text, "watermark": text, "password": text, "ends_at": text, "profile": text}
    for name, value in body.items():
        path = "/api/tables/x/rounds"
        sent = json.dumps({"client": "王", name: value})
        answer = visitor.browser.post(path, data=sent, content_type="application/json", base_url=LAN)
        assert answer.status_code in (400, 404), name
