"""A fake of Jimeng and of ``saliency_seg`` on Volcengine's visual API, as strict as its description allows.

Where the description is silent (which code a wrong field returns) it answers 50200.

Words in the prompt: 违禁 -> 50412 and 保护词 -> 50413 on the order; 审图 -> 50511 the first time, then a
picture; 必拒 -> 50511 always; 画崩 -> done with 50500; 失踪 -> drawn and billed, but never found
again. A reference whose address holds ``banned`` -> 50411.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

from PIL import Image

from tools.fakes.service import Call, FakeService, Refusal, Reply, Submission, as_json, run_standalone

ACCESS_KEY = "AKLTtest"
SECRET_KEY = "c2VjcmV0"
UPSCALER = "jimeng_i2i_seed3_tilesr_cvtob"
CUT_OUT = "saliency_seg"
INPAINT, OUTPAINT = "jimeng_image2image_dream_inpaint", "jimeng_img2img_seed3_painting_edit"
REQ_KEYS = ("jimeng_t2i_v40", "jimeng_seedream46_cvtob", UPSCALER, INPAINT, OUTPAINT)
ACTIONS = {"CVSync2AsyncSubmitTask": "submit", "CVSync2AsyncGetResult": "poll", "CVProcess": "submit"}

# CNY per picture, whatever its size and references
_PRICES = dict.fromkeys(REQ_KEYS, Decimal("0.22")) | {
    UPSCALER: Decimal("0.40"),
    INPAINT: Decimal("0.20"),
    CUT_OUT: Decimal("0.03"),
}
_LARGEST_INPUT = 4_700_000  # bytes, of a picture as base64
_SMALLEST_SIDE = 64  # 8 was refused and 512 accepted
_MOST_REFERENCES = {"jimeng_t2i_v40": 10, "jimeng_seedream46_cvtob": 14, CUT_OUT: 1}
_SUBMIT_FIELDS = {
    "req_key": str,
    "prompt": str,
    "image_urls": list,
    "binary_data_base64": list,
    "size": int,
    "width": int,
    "height": int,
    "scale": (int, float),
    "force_single": bool,
    "min_ratio": (int, float),
    "max_ratio": (int, float),
}
_META_FIELDS = {"content_producer", "producer_id", "content_propagator", "propagate_id"}
_REQ_JSON_FIELDS = {"return_url", "logo_info", "aigc_meta"}
_MESSAGES = {
    50200: "Invalid Input Parameter",
    50204: "Req Key Not Supported",
    50207: "Image Size Not Supported",
    50215: "Input Invalid For This Service",
    50400: "Access Denied",
    50411: "Pre Img Risk Not Pass",
    50412: "Text Risk Not Pass",
    50413: "Post Text Risk Not Pass",
    50429: "Request Has Reached API Limit, Please Try Later",
    50430: "Request Has Reached API Concurrent Limit, Please Try Later",
    50500: "Internal Error",
    50511: "Post Img Risk Not Pass",
}


class FakeJimeng(FakeService):
    """Jimeng. Each poll of a finished task returns a new URL of its image, as the real service seems to.

    ``busy_code`` is its throttling code. With ``fetches_references`` it downloads each of ``image_urls``
    on submission and records (url, status) in ``fetched``. An account that is not ``entitled`` gets 50400.
    """

    name = "jimeng"
    steps = ("submit", "poll", "download")

    def __init__(
        self,
        *,
        access_key: str = ACCESS_KEY,
        secret_key: str = SECRET_KEY,
        fetches_references: bool = False,
        busy_code: int = 50430,
        entitled: bool = True,
        **service_options: Any,
    ) -> None:
        super().__init__(**service_options)
        self.fetches_references = fetches_references
        self.busy_code = busy_code
        self.fetched: list[tuple[str, int]] = []
        self.entitled = entitled
        self.access_key = access_key
        self.secret_key = secret_key
        self.refused_once: set[str] = set()
        self._url_counts: Counter[str] = Counter()
        self._dead: set[str] = set()

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        return {
            "image_model": "jimeng",
            "volcengine_ak": self.access_key,
            "volcengine_sk": self.secret_key,
            "jimeng_endpoint": self.address,
            "model_timeout": 20,
            **more,
        }

    def expire_urls(self) -> None:
        """Invalidate the URLs returned so far; polling the task again returns a new one."""
        with self.lock:
            for order in self.submissions:
                self._dead |= {f"{order.number}-{n}" for n in range(self._url_counts[order.task_id] + 1)}

    def step_of(self, call: Call) -> str:
        """Determined by the Action in the query."""
        return ACTIONS.get(dict(call.query).get("Action", ""), "submit")

    def answer(self, step: str, call: Call) -> Reply:
        """Gateway checks first, then the service."""
        action = self._check_gateway(call)
        self._check_signature(call, action)
        body = _object(call)
        if not self.entitled:
            raise _refused(401, 50400)
        if action == "CVProcess":
            return self._cut_out(body)
        return self._submit(body) if step == "submit" else self._result(body)

    def bill(self, order: Submission) -> Decimal:
        """CNY for a billed order."""
        return _PRICES[order.body["req_key"]]

    def busy(self) -> Refusal:
        """50430 or 50429."""
        return _refused(429, self.busy_code)

    def wrong_key(self) -> Refusal:
        """The gateway's InvalidAccessKey."""
        return _gateway(401, 100009, "InvalidAccessKey", "")

    def url_alive(self, call: Call, order: Submission) -> bool:
        """24 hours, unless expired by hand."""
        name = call.path.split("/")[2].split(".")[0]
        return name not in self._dead and super().url_alive(call, order)

    def _check_gateway(self, call: Call) -> str:
        query = dict(call.query)
        action = query.get("Action", "")
        if not action or "Version" not in query:
            raise _gateway(400, 100002, "MissingParameter", action)
        if call.method != "POST" or call.path != "/":
            raise _gateway(404, 100007, "ServiceNotFound", action)
        if action not in ACTIONS or query["Version"] != "2022-08-31":
            raise _gateway(404, 100008, "InvalidActionOrVersion", action)
        return action

    def _check_signature(self, call: Call, action: str) -> None:
        header = call.headers.get("authorization", "")
        if not header:
            raise _gateway(401, 100003, "MissingAuthenticationToken", action)
        if not header.startswith("HMAC-SHA256 "):
            raise _gateway(401, 100024, "InvalidAuthorization", action)
        parts = dict(part.strip().split("=", 1) for part in header[len("HMAC-SHA256 ") :].split(","))
        access_key, _, scope = parts.get("Credential", "").partition("/")
        if access_key != self.access_key:
            raise _gateway(401, 100009, "InvalidAccessKey", action)
        if not _is_recent(call.headers.get("x-date", "")):
            raise _gateway(400, 100006, "InvalidTimestamp", action)
        if scope != f"{call.headers['x-date'][:8]}/cn-north-1/cv/request":
            raise _gateway(404, 100007, "ServiceNotFound", action)
        if not _is_signature_valid(call, parts, scope, self.secret_key):
            raise _gateway(401, 100010, "SignatureDoesNotMatch", action)

    def _submit(self, body: dict[str, Any]) -> Reply:
        checks = {UPSCALER: _check_upscale, INPAINT: _check_inpaint, OUTPAINT: _check_outpaint}
        width, height = checks.get(str(body.get("req_key")), _check_submit)(body)
        prompt = body.get("prompt", "")
        if "违禁" in prompt:
            raise _refused(400, 50412)
        if "保护词" in prompt:
            raise _refused(400, 50413)
        if any("banned" in url for url in body.get("image_urls", [])):
            raise _refused(400, 50411)
        if self.fetches_references and not all(self._fetch(url) for url in body.get("image_urls", [])):
            raise _refused(400, 50200, message="image_urls: download failed")
        with self.lock:
            under_way = sum(self._age(order) < self.latency for order in self.submissions)
            if self.concurrency_limit is not None and under_way >= self.concurrency_limit:
                raise self.busy()
            order = self.accept(body, width, height)
            order.task_id = str(14_790_660_436_661_235_000 + order.number)
            order.billed = not self._will_be_refused(prompt)
            self.peak_concurrency = max(self.peak_concurrency, under_way + 1)
        return _envelope({"task_id": order.task_id})

    def image_of(self, order: Submission) -> bytes:
        """Of a picture that is cut out, what is in its middle."""
        content = super().image_of(order)
        if order.body["req_key"] != CUT_OUT:
            return content
        packed = io.BytesIO()
        try:
            with Image.open(io.BytesIO(content)) as image:
                alpha = Image.radial_gradient("L").point(lambda level: max(0, min(255, (180 - level) * 8)))
                image.putalpha(alpha.resize(image.size))
                image.save(packed, "PNG", compress_level=1)
        except OSError:  # half of it, or noise
            return content
        return packed.getvalue()

    def _cut_out(self, body: dict[str, Any]) -> Reply:
        width, height = _check_cut_out(body)
        with self.slot():
            time.sleep(self.latency)
            order = self.accept(body, width, height)
        picture = base64.b64encode(self.image_of(order)).decode()
        return _envelope({"binary_data_base64": [picture], "contours_point": None, "image_urls": None})

    def _fetch(self, url: str) -> bool:
        try:
            with urlopen(url, timeout=10) as answer:
                content, status = answer.read(), answer.status
        except HTTPError as error:
            content, status = b"", error.code
        with self.lock:
            self.fetched.append((url, status))
        is_picture: bool = content.startswith((b"\x89PNG", b"\xff\xd8\xff"))
        return is_picture and status == 200

    def _will_be_refused(self, prompt: str) -> bool:
        if "审图" in prompt and prompt not in self.refused_once:
            self.refused_once.add(prompt)
            return True
        return "必拒" in prompt or "画崩" in prompt

    def _result(self, body: dict[str, Any]) -> Reply:
        with_url, tagged = _check_result(body)
        with self.lock:
            order = next((each for each in self.submissions if each.task_id == body["task_id"]), None)
        if order is None or "失踪" in order.body.get("prompt", "") or self._age(order) > 12 * 3600:
            return _envelope(_state("not_found"))
        if self._age(order) < self.latency:
            queued = self._age(order) < self.latency * 0.3
            return _envelope(_state("in_queue" if queued else "generating"))
        if not order.billed:
            raise (
                _refused(500, 50500, _state("done"))
                if "画崩" in order.body.get("prompt", "")
                else _refused(400, 50511)
            )
        return _envelope(self._done(order, with_url=with_url, tagged=tagged))

    def _done(self, order: Submission, with_url: bool, tagged: bool = False) -> dict[str, Any]:
        state = _state("done") | {"aigc_meta_tagged": tagged}
        if not with_url:
            pixels = base64.b64encode(self.image_of(order)).decode()
            return {**state, "binary_data_base64": [pixels]}
        with self.lock:
            self._url_counts[order.task_id] += 1
            url = self.image_url(order, str(self._url_counts[order.task_id]))
        return {**state, "binary_data_base64": None, "image_urls": [url]}

    def _age(self, order: Submission) -> float:
        return self.clock() - order.at


def _check_submit(body: dict[str, Any]) -> tuple[int, int]:
    _check_req_key(body)
    for name, value in body.items():
        kind: Any = _SUBMIT_FIELDS.get(name)
        if kind is None or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _refused(400, 50200, message=f"invalid field {name}")
    if not body.get("prompt"):
        raise _refused(400, 50200, message="prompt is missing")
    _check_contents(body)
    urls = body.get("image_urls", [])
    if len(urls) > _MOST_REFERENCES[body["req_key"]] or not all(
        isinstance(url, str) and url.startswith("http") for url in urls
    ):
        raise _refused(400, 50200, message="image_urls")
    if "scale" in body and not _is_scale(body["req_key"], body["scale"]):
        raise _refused(400, 50200, message="scale")
    return _check_size(body)


def _check_contents(body: dict[str, Any]) -> None:
    """Bare base64, of JPEG or PNG; with addresses beside it nobody knows what is drawn."""
    contents = body.get("binary_data_base64", [])
    if len(contents) > _MOST_REFERENCES[body["req_key"]] or (contents and "image_urls" in body):
        raise _refused(400, 50200, message="binary_data_base64")
    for each in contents:
        try:
            content = base64.b64decode(each, validate=True)
            with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
                sides = image.size
        except (ValueError, TypeError, OSError):  # a ``data:`` address among them
            raise _refused(400, 50215) from None
        if len(content) > _LARGEST_INPUT or max(sides) > 4096 or max(sides) > 3 * min(sides):
            raise _refused(400, 50200, message="image too large or too narrow")
        if min(sides) < _SMALLEST_SIDE:
            raise _refused(400, 50207, message="width or height is too small")


def _check_cut_out(body: dict[str, Any]) -> tuple[int, int]:
    """One picture as base64, and what is to come back."""
    if body.get("req_key") != CUT_OUT:
        raise _refused(400, 50204)
    if body.keys() - {"req_key", "binary_data_base64", "only_mask", "refine_mask", "rgb"}:
        raise _refused(400, 50200, message="unknown fields")
    ranges = {"only_mask": range(5), "refine_mask": range(3)}
    if any(body.get(name, 0) not in offered for name, offered in ranges.items()):
        raise _refused(400, 50200, message="only_mask or refine_mask")
    if not body.get("binary_data_base64"):
        raise _refused(400, 50200, message="binary_data_base64 is missing")
    _check_contents(body)
    if body.get("only_mask") != 3 or body.get("rgb") != [-1, -1, -1]:
        raise NotImplementedError("other answers than a transparent picture in full size")
    with Image.open(io.BytesIO(base64.b64decode(body["binary_data_base64"][0]))) as image:
        return image.size


def _check_upscale(body: dict[str, Any]) -> tuple[int, int]:
    """Exactly one picture as base64 and no words; made four times as large, its long side 4096 at most."""
    images, resolution = body.get("binary_data_base64"), body.get("resolution", "4k")
    if body.keys() - {"req_key", "binary_data_base64", "resolution", "scale"}:
        raise _refused(400, 50200, message="unknown fields")
    if not isinstance(images, list) or len(images) != 1 or resolution not in ("4k", "8k"):
        raise _refused(400, 50200, message="one image, 4k or 8k")
    content = base64.b64decode(images[0], validate=True)
    with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
        width, height = image.size
    if len(content) > _LARGEST_INPUT or max(width, height) > 4096 or not 1 / 3 <= width / height <= 3:
        raise _refused(400, 50200, message="image too large or too narrow")
    factor = (4096 if resolution == "4k" else 8192) / max(width, height)
    return round(width * factor), round(height * factor)


def _pictures(body: dict[str, Any], number: int, *fields: str) -> list[Image.Image]:
    """Exactly so many pictures as bare base64, and no fields but these. A mask has one grey channel."""
    images = body.get("binary_data_base64")
    if body.keys() - {"req_key", "binary_data_base64", *fields}:
        raise _refused(400, 50200, message="unknown fields")
    if not isinstance(images, list) or len(images) != number or not isinstance(body.get("seed", 101), int):
        raise _refused(400, 50200, message=f"{number} images, and a seed that is a number")
    found: list[Image.Image] = []
    for each in images:
        try:
            content = base64.b64decode(each, validate=True)
            image = Image.open(io.BytesIO(content), formats=["JPEG", "PNG"])
        except (ValueError, TypeError, OSError):
            raise _refused(400, 50215) from None
        if len(content) > _LARGEST_INPUT or max(image.size) > 4096 or max(image.size) > 3 * min(image.size):
            raise _refused(400, 50200, message="image too large or too narrow")
        found.append(image)
    return found


def _check_inpaint(body: dict[str, Any]) -> tuple[int, int]:
    """The picture and a grey mask of its size; the words are required."""
    picture, mask = _pictures(body, 2, "prompt", "seed")
    if mask.mode != "L" or mask.size != picture.size or not mask.getbbox():
        raise _refused(400, 50207, message="the mask is not one grey channel of the size of the picture")
    if not body.get("prompt"):
        raise _refused(400, 50200, message="prompt is missing")
    return picture.size


def _check_outpaint(body: dict[str, Any]) -> tuple[int, int]:
    """The picture and what is added, each a fraction of its side; the words are optional."""
    (picture,) = _pictures(body, 1, "prompt", "seed", "top", "bottom", "left", "right")
    edges = {name: body.get(name, 0) for name in ("top", "bottom", "left", "right")}
    if not all(isinstance(edge, int | float) and 0 <= edge <= 1 for edge in edges.values()):
        raise _refused(400, 50200, message="an edge is not from 0 to 1")
    width = picture.width * (1 + edges["left"] + edges["right"])
    return round(width), round(picture.height * (1 + edges["top"] + edges["bottom"]))


def _is_scale(req_key: str, scale: float) -> bool:
    """4.0 takes a float from 0 to 1 with two decimals, 4.6 an integer from 1 to 100."""
    if req_key == "jimeng_t2i_v40":
        return isinstance(scale, float) and 0 <= scale <= 1 and round(scale, 2) == scale
    return isinstance(scale, int) and 1 <= scale <= 100


def _check_size(body: dict[str, Any]) -> tuple[int, int]:
    if ("width" in body) != ("height" in body):
        raise _refused(400, 50200, message="width and height belong together")
    width, height = body.get("width", 2048), body.get("height", 2048)
    low, high = body.get("min_ratio", 1 / 3), body.get("max_ratio", 3)
    in_area = 1_048_576 <= width * height <= 16_777_216
    if not in_area or not low <= width / height <= high:
        raise _refused(400, 50200, message="size out of range")
    if not 1_048_576 <= body.get("size", 4_194_304) <= 16_777_216:
        raise _refused(400, 50200, message="size out of range")
    return width, height


def _check_result(body: dict[str, Any]) -> tuple[bool, bool]:
    """Validate a poll -> whether a URL is requested instead of base64, and the implicit mark."""
    _check_req_key(body)
    if body.keys() - {"req_key", "task_id", "req_json"} or not isinstance(body.get("task_id"), str):
        raise _refused(400, 50215)
    try:
        options = json.loads(body.get("req_json", "{}"))
    except (TypeError, ValueError):
        raise _refused(400, 50200, message="req_json") from None
    if not isinstance(options, dict) or options.keys() - _REQ_JSON_FIELDS:
        raise _refused(400, 50200, message="req_json")
    meta = options.get("aigc_meta")
    if meta is not None and not (
        isinstance(meta, dict)
        and meta.keys() <= _META_FIELDS
        and meta.get("producer_id")
        and all(isinstance(text, str) and len(text) <= 256 for text in meta.values())
    ):
        raise _refused(400, 50200, message="aigc_meta")
    return options.get("return_url", False) is True, meta is not None


def _check_req_key(body: dict[str, Any]) -> None:
    if body.get("req_key") not in REQ_KEYS:
        raise _refused(400, 50204)


def _object(call: Call) -> dict[str, Any]:
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise _refused(400, 50200, message="content type")
    return call.fields


def _is_recent(timestamp: str) -> bool:
    try:
        sent = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(datetime.now(UTC) - sent) < timedelta(minutes=15)


def _is_signature_valid(call: Call, parts: dict[str, str], scope: str, secret: str) -> bool:
    """Whether the signature matches the request as received."""
    names = parts.get("SignedHeaders", "").split(";")
    if not {"host", "x-date"} <= set(names) or names != sorted(names):
        return False
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in call.query)
    digest = hashlib.sha256(call.content).hexdigest()
    if call.headers.get("x-content-sha256", digest) != digest:
        return False
    canonical = f"{call.method}\n{call.path}\n" + "&".join(f"{k}={v}" for k, v in pairs) + "\n"
    for name in names:
        canonical += f"{name}:{call.headers.get(name, '').strip()}\n"
    canonical += "\n" + ";".join(names) + "\n" + digest
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"HMAC-SHA256\n{call.headers['x-date']}\n{scope}\n{hashed}"
    key = secret.encode()
    for piece in scope.split("/"):
        key = hmac.digest(key, piece.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), parts.get("Signature", ""))


def _state(status: str) -> dict[str, Any]:
    return {
        "aigc_meta_tagged": False,
        "binary_data_base64": [],
        "image_urls": None,
        "status": status,
        "video_url": "",
    }


def _envelope(found: dict[str, Any] | None, code: int = 10000, message: str = "Success") -> Reply:
    fields = {
        "code": code,
        "data": found,
        "message": message,
        "request_id": "20260101000000000000000000000000",
        "status": code,
        "time_elapsed": "42.7ms",
    }
    return as_json(fields, 200)


def _refused(
    status: int, code: int, found: dict[str, Any] | None = None, *, message: str | None = None
) -> Refusal:
    fields = json.loads(_envelope(found, code, message or _MESSAGES[code]).content)
    return Refusal(status, fields)


def _gateway(status: int, number: int, code: str, action: str) -> Refusal:
    metadata = {
        "RequestId": "20260101000000000000000000000000",
        "Action": action,
        "Version": "2022-08-31",
        "Service": "cv",
        "Region": "cn-north-1",
        "Error": {"CodeN": number, "Code": code, "Message": f"{code} for this call"},
    }
    return Refusal(status, {"ResponseMetadata": metadata})


if __name__ == "__main__":
    run_standalone(FakeJimeng)
