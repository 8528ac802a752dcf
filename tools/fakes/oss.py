"""A fake of Aliyun OSS with one bucket, as strict as its documentation; used through the real oss2.

    with FakeOss() as oss:
        settings = Settings(**oss.settings())

At its own address it accepts ``/bucket/key``, as oss2 sends to IP addresses. As an HTTP proxy it also serves
``bucket.oss-cn-hangzhou.aliyuncs.com`` and for the names in ``domains`` (custom domains of the bucket).
Signatures are computed from the raw request, without oss2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from PIL import Image

ACCESS_KEY, SECRET_KEY = "LTAItest", "secretkey"
BUCKET, REGION = "demo-bucket", "cn-hangzhou"
SKEW_SECONDS = 15 * 60
LONGEST_URL_SECONDS = 604_800
_BLOCK = 64 * 1024
FAULTS = ("slow", "reset", "cut", "500", "html", "other", "denied", "busy")

_MESSAGES = {
    "AccessDenied": (403, "You have no right to access this object because of bucket acl."),
    "InvalidAccessKeyId": (403, "The OSS Access Key Id you provided does not exist in our records."),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match the signature."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the server is too large."),
    "SecondLevelDomainForbidden": (403, "The bucket must be addressed using virtual hosted style."),
    "PublicEndpointForbidden": (400, "Public endpoint is forbidden for data operations."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "InvalidObjectName": (400, "The specified object is not valid."),
    "InvalidArgument": (400, "Invalid argument."),
    "FileAlreadyExists": (409, "The object you specified already exists and can not be overwritten."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "InternalError": (500, "Please contact the server administrator."),
    "ServiceUnavailable": (503, "Please reduce your request rate."),
}


@dataclass(kw_only=True)
class StoredObject:
    """A stored object."""

    content: bytes
    media_type: str
    modified_at: float

    @property
    def etag(self) -> str:
        """The upper-case MD5 of the content, as for simple uploads."""
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest().upper()


@dataclass(kw_only=True)
class Call:
    """A received request. ``key`` is decoded; ``bucket`` is taken from the path or the host."""

    method: str
    host: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: Mapping[str, str]
    content: bytes
    at: float

    @property
    def operation(self) -> str:
        """list, put, copy, get, head, delete; ``signed_url`` for a request signed in its URL."""
        if "x-oss-signature" in self.query or "Signature" in self.query:
            return "signed_url"
        if not self.key:
            return "list"
        if "x-oss-copy-source" in self.headers:
            return "copy"
        return self.method.lower()


Page = list[tuple[str, StoredObject]]


class Refusal(Exception):
    """An error response."""

    def __init__(self, code: str, ec: str = "", message: str = "", status: int = 0) -> None:
        known = _MESSAGES.get(code, (400, code))
        super().__init__(code)
        self.code, self.ec, self.message = code, ec, message or known[1]
        self.status = status or known[0]


class ConnectionCut(Exception):
    """Close the connection without answering."""


@dataclass(kw_only=True)
class Reply:
    """A response to send."""

    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    padding: int = 0  # spaces before the content


class FakeOss:
    """The service on 127.0.0.1. ``objects`` is the bucket, ``calls`` every request; both may be modified.

    clock                    Unix seconds; expiry and skew follow it
    domains                  custom domains bound to the bucket
    is_down                  every connection is closed without an answer
    public_endpoint_closed   as for new mainland accounts
    denied                   operations the key has no permission for; without put there is no copy
    broken_listing           ``same`` repeats one page and its token, ``circle`` two of them, ``no_token``
                             is truncated without a token, ``empty`` returns 200 pages without a key
    padding                  bytes of spaces before each listing or object
    """

    def __init__(self, *, latency: float = 0.0, clock: Callable[[], float] = time.time) -> None:
        self.latency = latency
        self.clock = clock
        self.access_key, self.secret_key = ACCESS_KEY, SECRET_KEY
        self.bucket, self.region = BUCKET, REGION
        self.domains: set[str] = set()
        self.is_down = False
        self.public_endpoint_closed = False
        self.denied: set[str] = set()
        self.broken_listing = ""
        self.padding = 0
        self.objects: dict[str, StoredObject] = {}
        self.calls: list[Call] = []
        self.statuses: list[tuple[str, int]] = []
        self.lock = threading.RLock()
        self._faults: list[tuple[str, str, float]] = []
        self._hooks: dict[str, Callable[[], object]] = {}
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings`` that point here, overridden by ``more``."""
        return {
            "oss_enabled": True,
            "oss_endpoint": self.address,
            "oss_bucket": self.bucket,
            "oss_region": self.region,
            "oss_access_key_id": self.access_key,
            "oss_access_key_secret": self.secret_key,
            **more,
        }

    def put(self, key: str, content: bytes, *, age: float = 0.0) -> None:
        """Add an object that was modified ``age`` seconds ago."""
        ending = key.rpartition(".")[2].replace("jpg", "jpeg")
        self.objects[key] = StoredObject(
            content=content, media_type=f"image/{ending}", modified_at=self.clock() - age
        )

    def fail_next(self, kind: str, *, operation: str = "", times: int = 1, seconds: float = 1.0) -> None:
        """Inject a fault of FAULTS into the next calls, or those of one operation."""
        assert kind in FAULTS, kind
        with self.lock:
            self._faults += [(kind, operation, seconds)] * times

    def clear_faults(self) -> None:
        """Discard the faults not yet used."""
        with self.lock:
            self._faults.clear()

    def before_next(self, operation: str, act: Callable[[], object]) -> None:
        """Run ``act`` just before the next call of that operation is answered."""
        self._hooks[operation] = act

    def count(self, operation: str) -> int:
        """Received calls of an operation, refused ones included."""
        with self.lock:
            return sum(call.operation == operation for call in self.calls)

    def serve(self, call: Call) -> Reply:
        """Answer one call. Raises ConnectionCut."""
        fault = self._record(call)
        time.sleep(self.latency + (fault[2] if fault and fault[0] == "slow" else 0.0))
        try:
            self._fail(fault[0] if fault else "")
            self._authorize(call)
            self._hooks.pop(call.operation, lambda: None)()
            answer: Callable[[Call], Reply] = getattr(self, f"_{call.operation}")
            reply = answer(call)
            reply.is_cut = fault is not None and fault[0] == "cut"
        except Refusal as refused:
            reply = _refusal(refused, call)
        with self.lock:
            self.statuses.append((call.operation, reply.status))
        return reply

    def _record(self, call: Call) -> tuple[str, str, float] | None:
        with self.lock:
            self.calls.append(call)
            for fault in self._faults:
                if fault[1] in ("", call.operation):
                    self._faults.remove(fault)
                    return fault
        return None

    def _fail(self, kind: str) -> None:
        if kind == "reset" or self.is_down:
            raise ConnectionCut
        if kind == "500":
            raise Refusal("InternalError")
        if kind == "busy":
            raise Refusal("ServiceUnavailable")
        if kind == "denied":
            raise Refusal("AccessDenied", "0003-00000001")
        if kind in ("html", "other"):
            raise Refusal(kind, status=200)

    def _authorize(self, call: Call) -> None:
        self._check_host(call)
        if call.operation == "signed_url":
            self._check_url(call)
        else:
            self._check_header(call)
        if call.bucket != self.bucket:
            raise Refusal("NoSuchBucket", "0015-00000101")
        if call.operation in self.denied or (call.operation == "copy" and "put" in self.denied):
            raise Refusal("AccessDenied", "0003-00000001")
        if len(call.key.encode()) > 1023 or call.key.startswith(("/", "\\")):
            raise Refusal("InvalidObjectName", "0016-00000002")

    def _check_host(self, call: Call) -> None:
        if call.host == f"oss-{self.region}.aliyuncs.com" and call.key:
            raise Refusal("SecondLevelDomainForbidden")
        if self.public_endpoint_closed and call.host.endswith(f".oss-{self.region}.aliyuncs.com"):
            raise Refusal("PublicEndpointForbidden", "0048-00000401")

    def _check_header(self, call: Call) -> None:
        words = call.headers.get("authorization", "")
        if words.startswith("OSS "):
            raise Refusal("AccessDenied", "0002-00000080", "V1 signatures are not accepted.")
        found = re.fullmatch(
            r"OSS4-HMAC-SHA256 Credential=(?P<credential>[^,]+),\s?Signature=(?P<signature>[0-9a-f]{64})",
            words,
        )
        signed_at = call.headers.get("x-oss-date", "")
        if not found or call.headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            raise Refusal("AccessDenied", "0002-00000201")
        scope = self._check_credential(found["credential"], signed_at)
        if abs(_unix(signed_at) - call.at) > SKEW_SECONDS:
            raise Refusal("RequestTimeTooSkewed", "0002-00000504")
        signed = {k: v for k, v in call.headers.items() if _is_signed(k)}
        self._compare(call, call.query, signed, signed_at, scope, found["signature"])

    def _check_url(self, call: Call) -> None:
        query = dict(call.query)
        if "OSSAccessKeyId" in query:
            raise Refusal("AccessDenied", "0002-00000080")
        signature, signed_at = query.pop("x-oss-signature"), query.get("x-oss-date", "")
        seconds = int(query.get("x-oss-expires", "0"))
        scope = self._check_credential(query.get("x-oss-credential", ""), signed_at)
        if not 1 <= seconds <= LONGEST_URL_SECONDS:
            raise Refusal("AccessDenied", "0002-00000232", "Invalid x-oss-expires.")
        if call.at > _unix(signed_at) + seconds:
            raise Refusal("AccessDenied", "0002-00000236", "Request has expired.")
        if _unix(signed_at) > call.at + SKEW_SECONDS:
            raise Refusal("AccessDenied", "0002-00000235", "Request is not valid yet.")
        self._compare(call, query, {}, signed_at, scope, signature)

    def _check_credential(self, credential: str, signed_at: str) -> str:
        """Check access key and region -> the scope."""
        access_key, _, scope = credential.partition("/")
        if access_key != self.access_key:
            raise Refusal("InvalidAccessKeyId", "0002-00000902")
        if scope != f"{signed_at[:8]}/{self.region}/oss/aliyun_v4_request":
            raise Refusal(
                "InvalidArgument", "0002-00000228", "Invalid signing region in Authorization header."
            )
        return scope

    def _compare(
        self,
        call: Call,
        query: Mapping[str, str],
        signed: Mapping[str, str],
        signed_at: str,
        scope: str,
        given: str,
    ) -> None:
        wanted = v4_signature(
            self.secret_key, call.method, f"/{call.bucket}/{call.key}", query, signed, signed_at, scope
        )
        if not hmac.compare_digest(wanted, given):
            raise Refusal("SignatureDoesNotMatch", "0002-00000040")

    def _list(self, call: Call) -> Reply:
        query = call.query
        if query.get("list-type") != "2":
            raise Refusal("InvalidArgument", message="list-type")
        most = int(query.get("max-keys") or 100)
        if not 1 <= most <= 1000:
            raise Refusal("InvalidArgument", message="max-keys")
        after = max(query.get("start-after", ""), query.get("continuation-token", ""))
        prefix = query.get("prefix", "")
        with self.lock:
            keys = sorted((k for k in self.objects if k.startswith(prefix)), key=str.encode)
            later = [key for key in keys if key.encode() > after.encode()]
            shown = [(key, self.objects[key]) for key in later[:most]]
        coded = query.get("encoding-type") == "url"
        token = shown[-1][0] if len(later) > most else None
        if self.broken_listing:
            first = [(key, self.objects[key]) for key in keys[:most]]
            shown, token = self._broken_page(first, self.count("list"))
        return Reply(
            content=_listing(shown, token, coded),
            headers={"Content-Type": "application/xml"},
            padding=self.padding,
        )

    def _broken_page(self, shown: Page, number: int) -> tuple[Page, str | None]:
        """The page and the token of a broken listing."""
        if self.broken_listing == "empty" and number > 200:
            return [], None
        token = {"same": "again", "circle": f"page {number % 2}", "no_token": "", "empty": f"page {number}"}
        return ([] if self.broken_listing == "empty" else shown), token[self.broken_listing]

    def _put(self, call: Call) -> Reply:
        media_type = call.headers.get("content-type", "application/octet-stream")
        with self.lock:
            stored = StoredObject(content=call.content, media_type=media_type, modified_at=call.at)
            self.objects[call.key] = stored
        return Reply(headers={"ETag": f'"{stored.etag}"'})

    def _copy(self, call: Call) -> Reply:
        """Copy if the ETag matches; the source is percent-encoded, the body empty."""
        source = re.fullmatch(
            r"/([a-z0-9-]+)/((?:[\w.~/-]|%[0-9A-F]{2})+)", call.headers["x-oss-copy-source"], re.A
        )
        more = {name for name in call.headers if name.startswith("x-oss-copy-source-")}
        if not source or call.content or more - {"x-oss-copy-source-if-match"}:
            raise Refusal("InvalidArgument", message="x-oss-copy-source")
        if source[1] != self.bucket:
            raise Refusal("NoSuchBucket", "0015-00000101")
        with self.lock:
            found = self._existing(unquote(source[2], errors="strict"))
            wanted = call.headers.get("x-oss-copy-source-if-match", found.etag)
            if wanted.strip('"') != found.etag:
                raise Refusal("PreconditionFailed")
            if call.headers.get("x-oss-forbid-overwrite") == "true" and call.key in self.objects:
                raise Refusal("FileAlreadyExists", "0026-00000008")
            copied = StoredObject(content=found.content, media_type=found.media_type, modified_at=call.at)
            self.objects[call.key] = copied
        answer = f'<CopyObjectResult><ETag>"{copied.etag}"</ETag><LastModified>{_iso(call.at)}</LastModified>'
        return Reply(
            content=f"{answer}</CopyObjectResult>".encode(), headers={"Content-Type": "application/xml"}
        )

    def _get(self, call: Call) -> Reply:
        found = self._existing(call.key)
        headers = {
            "Content-Type": found.media_type,
            "ETag": f'"{found.etag}"',
            "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(found.modified_at)),
        }
        process = call.query.get("x-oss-process", "")
        if not process:
            return Reply(content=found.content, headers=headers, padding=self.padding)
        if process == "image/info":
            return Reply(content=_info(found.content), headers={"Content-Type": "application/json"})
        return Reply(content=_processed(found.content, process), headers={"Content-Type": "image/webp"})

    _head = _get
    _signed_url = _get

    def _delete(self, call: Call) -> Reply:
        with self.lock:
            self.objects.pop(call.key, None)
        return Reply(status=204)

    def _existing(self, key: str) -> StoredObject:
        with self.lock:
            if key not in self.objects:
                raise Refusal("NoSuchKey", "0026-00000001")
            return self.objects[key]


def clocked_datetime(clock: Callable[[], float]) -> type[datetime]:
    """A replacement for ``oss2.auth.datetime``, so that oss2 signs with the clock of the test."""

    class Clocked(datetime):
        @classmethod
        def utcnow(cls) -> Self:
            return cls.fromtimestamp(clock(), UTC)

    return Clocked


def v4_signature(
    secret: str,
    method: str,
    resource: str,
    query: Mapping[str, str],
    signed_headers: Mapping[str, str],
    signed_at: str,
    scope: str,
) -> str:
    """The V4 signature of a request, in hex; ``resource`` is ``/bucket/key``, decoded."""
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query.items())
    lines = [
        method,
        quote(resource, safe="/-_.~"),
        "&".join(f"{k}={v}" if v else k for k, v in pairs),
        "".join(f"{k}:{v}\n" for k, v in sorted(signed_headers.items())),
        "",
        "UNSIGNED-PAYLOAD",
    ]
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = f"OSS4-HMAC-SHA256\n{signed_at}\n{scope}\n{hashed}"
    signing_key = f"aliyun_v4{secret}".encode()
    for piece in scope.split("/"):
        signing_key = hmac.digest(signing_key, piece.encode(), "sha256")
    return hmac.digest(signing_key, text.encode(), "sha256").hex()


def _is_signed(header: str) -> bool:
    return header in ("content-type", "content-md5") or header.startswith("x-oss-")


def _unix(timestamp: str) -> float:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal("AccessDenied", message="x-oss-date") from None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _listing(shown: Page, token: str | None, coded: bool) -> bytes:
    def spelled(key: str) -> str:
        return quote(key, safe="") if coded else escape(key)

    parts = ["<ListBucketResult>"]
    parts.append(f"<EncodingType>{'url' if coded else ''}</EncodingType>")
    parts.append(f"<IsTruncated>{str(token is not None).lower()}</IsTruncated>")
    if token is not None:
        parts.append(f"<NextContinuationToken>{spelled(token)}</NextContinuationToken>")
    parts += [
        f"<Contents><Key>{spelled(key)}</Key><LastModified>{_iso(found.modified_at)}</LastModified>"
        f'<ETag>"{found.etag}"</ETag><Type>Normal</Type><Size>{len(found.content)}</Size>'
        "<StorageClass>Standard</StorageClass></Contents>"
        for key, found in shown
    ]
    return ("".join(parts) + "</ListBucketResult>").encode()


def _processed(content: bytes, process: str) -> bytes:
    """Apply ``image/auto-orient,1/resize,m_lfit,w_320,h_320/format,webp``."""
    sides = dict(re.findall(r"([wh])_(\d+)", process))
    if not process.startswith("image/") or not sides:
        raise Refusal("InvalidArgument", message="x-oss-process")
    packed = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((int(sides["w"]), int(sides["h"])))
        image.convert("RGB").save(packed, "WEBP")
    return packed.getvalue()


def _info(content: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(content)) as image:
            known = {"ImageWidth": image.width, "ImageHeight": image.height, "FileSize": len(content)}
            picture_format = str(image.format).lower().replace("jpeg", "jpg")
    except OSError:
        raise Refusal("BadRequest", "0020-00000206", "Unsupported image format.") from None
    values = {name: {"value": str(value)} for name, value in known.items()}
    return json.dumps(values | {"Format": {"value": picture_format}}).encode()


def _refusal(refused: Refusal, call: Call) -> Reply:
    if refused.code == "html":
        return Reply(content=b"<html><p>Welcome</html>", headers={"Content-Type": "text/html"})
    if refused.code == "other":
        return Reply(content=b"<html><p>Welcome</p></html>", headers={"Content-Type": "text/html"})
    body = (
        f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message>"
        f"<RequestId>6A0000000000000000000000</RequestId><HostId>{escape(call.host)}</HostId>"
        f"<EC>{refused.ec}</EC></Error>"
    )
    headers = {"Content-Type": "application/xml", "x-oss-ec": refused.ec}
    if call.method == "HEAD":
        headers["x-oss-err"] = base64.b64encode(body.encode()).decode()
    return Reply(status=refused.status, content=body.encode(), headers=headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, service: FakeOss) -> None:
        self.service = service
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def _answer(self) -> None:
        service = self.server.service
        try:
            reply = service.serve(self._call(service))
        except ConnectionCut:
            self.close_connection = True
            return
        self.send_response(reply.status)
        headers = {"x-oss-request-id": "6A0000000000000000000000", **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(reply.padding + len(reply.content)))
        self.end_headers()
        if reply.is_cut:
            self.close_connection = True
            reply.content = reply.content[: len(reply.content) // 2]
        if self.command != "HEAD":
            self._pad(reply.padding)
            self.wfile.write(reply.content)

    def _pad(self, size: int) -> None:
        """Send spaces block by block. Raises ConnectionError when the client disconnects."""
        for start in range(0, size, _BLOCK):
            self.wfile.write(b" " * min(_BLOCK, size - start))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer

    def _call(self, service: FakeOss) -> Call:
        """Path style at our own address; else the bucket is in the host, or the host is a custom domain."""
        parts = urlsplit(self.path)
        host = (parts.netloc or self.headers.get("Host", "")).lower()
        path = unquote(parts.path.removeprefix("/"))
        bucket, _, key = path.partition("/")
        first, _, rest = host.partition(".")
        if host in service.domains:
            bucket, key = service.bucket, path
        elif rest == f"oss-{service.region}.aliyuncs.com":
            bucket, key = first, path
        return Call(
            method=self.command,
            host=host,
            bucket=bucket,
            key=key,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            content=self._content(),
            at=service.clock(),
        )

    def _content(self) -> bytes:
        """The body, chunked or not: oss2 sends an empty one chunked; unread bytes corrupt the next call."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return content
