"""Calls that nobody in their right mind would send, made up from the document of the API by hypothesis."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.noise_images import noise_image
from tests.openapi_document import Document, Operation, Schema

PNG = noise_image("PNG", size=(40, 30))
TABLE = "提示词,图片比例,参考示例图,种子\n猫,16：9,红茶,7\n=1+1,5:4,,x\n".encode()
TEXTS = (
    *(
        "",
        " ",
        "猫",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff猫",
        "\u202e",
        "\uffff",
        "💥",
        "e\u0301",
        "\x7f\x01\x1b",
    ),
    *("' OR 1=1 --", '"; DROP TABLE generation_records; --', "%", "_", "\\", "<script>alert(1)</script>"),
    *("=1+1", "@SUM(A1)", "../../etc/passwd", "..\\..\\x", "/etc/passwd", "C:\\x", ".env", "con", "a/b", "."),
    *(
        "猫" * 400,
        "a" * 10_001,
        "x" * 70_000,
        "NaN",
        "-1",
        "1e999",
        "９",
        "1_0",
        "0x10",
        "9" * 30,
        "9" * 5_000,
    ),
    *("2026-02-30", "9999-12-31", "0001-01-01T00:00:00+14:00", "true", "null", "[]", "{}", "[" * 3_000),
)
PATHS = (
    *(
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/x",
        "..",
        ".",
        "%00",
        "a%00.png",
        "%ff",
        "%c0%ae%c0%ae/",
        "%",
        "%zz",
    ),
    *("%0d%0aX-Evil:%201", "//evil.example/", "a;b=c", "\\..\\x", "%5c..%5cx.png", "%e2%80%ae", "x" * 3_000),
    *(
        "con.png",
        ".thumbnails%2f0%2f1.webp",
        "%3Cscript%3E.png",
        "0",
        "-1",
        "9" * 19,
        "9" * 5_000,
        "1.5",
        "%d9%a3",
        "~",
    ),
)
HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Host",
        (
            "localhost",
            "LOCALHOST:1",
            "evil.example",
            "",
            "[::1",
            "[::1]:x",
            "a b",
            "127.0.0.1.",
            "\xff",
            "x" * 900,
        ),
    ),
    ("Origin", ("null", "http://[x", "https://evil.example", "http://127.0.0.1", "", "\xff")),
    ("Sec-Fetch-Site", ("same-origin", "cross-site", "none", "", "\xff")),
    (
        "Range",
        (
            "bytes=0-",
            "bytes=-1",
            "bytes=9-1",
            "bytes=0-0,2-3",
            "bytes=99999999999999999999-",
            "x",
            "bytes=a-b",
        ),
    ),
    ("If-None-Match", ("*", '"x"', 'W/"0-1"', '"', "\xff", '"a","b",')),
    ("If-Modified-Since", ("Thu, 01 Jan 1970 00:00:00 GMT", "x", "9" * 40)),
    ("If-Range", ('"x"', "x", "Thu, 99 Jan 1970 00:00:00 GMT")),
    ("Accept", ("*/*", "text/html", ";q=", "a/b;q=9e9", ",", "\xff")),
    ("Accept-Encoding", ("gzip", "gzip;q=0", "br, *;q=0.1", "gzip;q=nan", "\xff")),
    ("Cookie", ("session=x", "session=eyJ1bnRpbCI6OX0.a.b", "records_view=\xff", "=;;=", "a" * 4_000)),
    ("Content-Encoding", ("gzip", "identity", "x")),
    ("X-Forwarded-For", ("10.0.0.1", "'", "\xff")),
    ("Referer", ("http://[x", "http://127.0.0.1/\t/evil.example", "//evil.example", "\xff", "x" * 3_000)),
    ("Accept-Language", ("en", "zh-CN,en;q=0.5", "x;q=nan", "*;q=", "\xff", "en-" + "a" * 900)),
    ("X-HTTP-Method-Override", ("DELETE",)),
)
KINDS = (
    *(
        "application/json",
        "application/json; charset=utf-16",
        "application/json;charset=x",
        "text/plain",
        "",
        "x/",
    ),
    *(
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "\xff/\xff",
    ),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get")
CODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030")
QUERY_NAMES = (
    "id",
    "from",
    "since",
    "page",
    "limit",
    "offset",
    "search",
    "key",
    "next",
    "record",
    "view",
    "status",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it goes over the wire."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    content: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.target[:300]} {list(self.headers)} {(self.content or b'')[:600]!r}"


@dataclass(slots=True)
class Known:
    """What there is in the server, by the names of an address."""

    values: dict[str, list[str]] = field(default_factory=dict)


@st.composite
def calls(draw: st.DrawFn, document: Document, operations: Sequence[Operation], known: Known) -> Call:
    """One call of these operations, of which some part is usually not as it should be."""
    operation = draw(st.sampled_from(operations))
    method = draw(st.sampled_from((operation.method.upper(),) * 12 + METHODS))
    path = re.sub(r"{(\w+)}", lambda found: draw(_place(found[1], known)), operation.path)
    query = draw(_query(operation))
    headers = draw(st.lists(st.sampled_from(HEADERS), max_size=2)) if draw(st.integers(0, 2)) == 0 else []
    told = [(name, draw(st.sampled_from(values))) for name, values in headers]
    content = None
    if operation.bodies or draw(st.integers(0, 30)) == 0:
        kind, content = draw(_body(document, operation, known))
        told += [("Content-Type", kind)] if kind else []
    return Call(method, path + query, told, content)


def _place(name: str, known: Known) -> st.SearchStrategy[str]:
    there = [quote(value, safe="") for value in known.values.get(name, ["x"])]
    return st.sampled_from(there * 12 + list(PATHS))


@st.composite
def _query(draw: st.DrawFn, operation: Operation) -> str:
    described = operation.parameters("query")
    names = draw(st.lists(st.sampled_from([*(described or {}), *QUERY_NAMES]), max_size=4))
    pairs = []
    for name in names if draw(st.booleans()) else []:
        value = draw(
            _value(described[name]) if name in described and draw(st.booleans()) else st.sampled_from(TEXTS)
        )
        text = (
            quote(str(value), errors="replace") if draw(st.integers(0, 5)) else draw(st.sampled_from(PATHS))
        )
        pairs.append(f"{name}={text[:12_000]}")
    return "?" + draw(st.sampled_from("&&&&;")).join(pairs) if pairs else ""


_WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 0, -1, 1.5, 1e308))
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(TEXTS),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.sampled_from(TEXTS[:12]) | st.text(max_size=8), inside, max_size=4)
    ),
    max_leaves=8,
)


def _value(schema: Schema) -> st.SearchStrategy[Any]:
    """Something that the schema allows, and that takes no long time to do."""
    if "enum" in schema:
        return st.sampled_from(["1K"] if "1K" in schema["enum"] else schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_value(one) for one in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "integer":
        low = schema.get("minimum", -10)
        return st.integers(low, min(schema.get("maximum", 50), low + 60))
    if kind == "array":
        items = _value(schema.get("items", {}))
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=min(schema.get("maxItems", 3), 3))
    if kind == "object":
        known = schema.get("properties", {})
        needed = schema.get("required", [])
        return st.fixed_dictionaries(
            {name: _value(known[name]) for name in needed},
            optional={name: _value(one) for name, one in known.items() if name not in needed},
        )
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    return st.text(min_size=schema.get("minLength", 0), max_size=12)


@st.composite
def _body(draw: st.DrawFn, document: Document, operation: Operation, known: Known) -> tuple[str, bytes]:
    kinds = list(operation.bodies) or ["application/json"]
    kind = draw(st.sampled_from(kinds))
    schema = _plain(document, operation.bodies.get(kind, {"type": "object"}))
    content: bytes
    if kind == "multipart/form-data":
        kind, content = draw(_upload())
    elif kind == "application/json":
        content = draw(_json(schema, is_slow=operation.path == "/api/batch-generate"))
    else:
        pairs = draw(
            st.lists(
                st.tuples(st.sampled_from(list(schema["properties"])), st.sampled_from(TEXTS)), max_size=4
            )
        )
        content = "&".join(f"{n}={quote(v[:9_000], errors='replace')}" for n, v in pairs).encode()
    odd = draw(st.integers(0, 11))
    if odd == 0:
        kind = draw(st.sampled_from(KINDS))
    elif odd == 1:
        content = draw(st.binary(max_size=60))
    elif odd == 2:
        content = content[: draw(st.integers(0, len(content)))]
    return kind, content


def _plain(document: Document, schema: Schema) -> Schema:
    """Without names that stand for something, as deep as it goes."""
    schema = document.resolve(schema)
    told = dict(schema)
    if "items" in told:
        told["items"] = _plain(document, told["items"])
    if "properties" in told:
        told["properties"] = {name: _plain(document, one) for name, one in told["properties"].items()}
    if "anyOf" in told:
        told["anyOf"] = [_plain(document, one) for one in told["anyOf"]]
    return told


@st.composite
def _json(draw: st.DrawFn, schema: Schema, *, is_slow: bool) -> bytes:
    value = draw(_value(schema))
    way = draw(st.integers(0, 9))
    if is_slow and way < 9:  # a good one draws pictures
        way = 3 + way % 6
    if way in (3, 4, 5, 6) and isinstance(value, dict):
        names = list(schema.get("properties", {})) or ["x"]
        value[draw(st.sampled_from(names))] = draw(_WILD)
        if isinstance(value.get("rows"), list) and value["rows"] and isinstance(value["rows"][0], dict):
            value["rows"][0][draw(st.sampled_from(("prompt", "seed", "sample_images", "filename", "x")))] = (
                draw(_WILD)
            )
        if is_slow:
            value["num_images"] = draw(st.sampled_from((0, 11, "x", None, 1e999, [], 2**64)))
            value["prompt"] = "" if value["num_images"] is None else value.get("prompt")
    elif way == 7:
        value = draw(_WILD)
    text = json.dumps(value)
    if way == 8:
        text = draw(
            st.sampled_from(
                ('{"prompt":1,"ids":2,"rows":3,' + text[1:], "[" * 30_000, '{"a":' * 30_000, "{" + text)
            )
        )
    return text.encode(
        draw(st.sampled_from(CODINGS if draw(st.integers(0, 8)) == 0 else ("utf-8",))), "replace"
    )


@st.composite
def _upload(draw: st.DrawFn) -> tuple[str, bytes]:
    """A form with files, or nearly one."""
    boundary = draw(st.sampled_from(("x", "----WebKitFormBoundary7", "a" * 70, "'()+_,-./:=?", "é")))
    parts = io.BytesIO()
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(("file", "file", "file", "", "x", "record_id")))
        filename = draw(st.sampled_from(("a.png", "表.csv", "a.xlsx", *TEXTS[:30]))).replace("\r", "")[:300]
        content = draw(
            st.sampled_from((PNG, PNG[:90], TABLE, b"", b"PK\x03\x04", b"\xff\xd8\xff", b"<svg onload=x>"))
        )
        content += draw(st.binary(max_size=8))
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        head += draw(
            st.sampled_from(
                (
                    "",
                    "Content-Type: text/html\r\n",
                    "Content-Type: \x00\r\n",
                    "X\r\n",
                    "A: " + "b" * 9_000 + "\r\n",
                )
            )
        )
        parts.write(head.encode("utf-8", "surrogatepass") + b"\r\n" + content + b"\r\n")
    parts.write(
        draw(st.sampled_from((f"--{boundary}--\r\n", f"--{boundary}--\r\n", "", f"--{boundary}"))).encode()
    )
    kind = f"multipart/form-data; boundary={boundary}"
    return draw(st.sampled_from((kind, kind, kind, f'{kind}"', "multipart/form-data"))), parts.getvalue()
