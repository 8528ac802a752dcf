"""The OpenAPI 3.1 document at ``/api/openapi.json``, built from paths and schemas."""

import hashlib
import json
import re
from typing import Any

from flask import Blueprint, Response
from werkzeug.wrappers import Response as AnyResponse

from app.web.etags import with_etag
from app.web.i18n.language import translate
from app.web.middleware.login import COOKIE
from app.web.openapi.paths import CALLS
from app.web.openapi.schemas import ID, SHAPES, TEXT, ref

bp = Blueprint("openapi", __name__)
_ABOUT = (
    '凡是失败，都是 {"success": false, "error": "一句话"} 和相应的 4xx、5xx。'
    "设置了 ACCESS_PASSWORD 时，先以表单 POST /login（password），之后带着收到的 Cookie；POST /logout 退出。"
)


def document() -> dict[str, Any]:
    """The document as a JSON object, with Chinese texts."""
    failure = {"application/json": {"schema": ref("Failure")}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "AI 图片生成器", "version": "1", "description": _ABOUT},
        "paths": _paths(),
        "components": {
            "schemas": SHAPES,
            "responses": {
                "Failure": {"description": "没有成功", "content": failure},
                "FailureOrPage": {
                    "description": "失败；浏览器直接打开（Accept 要 HTML）时是网页",
                    "content": {**failure, "text/html": {}},
                },
            },
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": COOKIE}},
        },
        "security": [{}, {"session": []}],
    }


def _paths() -> dict[str, Any]:
    """The operations by path and method, with the path parameters."""
    paths: dict[str, Any] = {}
    for name, call in CALLS.items():
        method, path = name.split()
        paths.setdefault(path, _path_parameters(path))[method.lower()] = call
    return paths


def _path_parameters(path: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": ID if name == "record_id" else TEXT}
        for name in re.findall(r"{(\w+)}", path)
    ]
    return {"parameters": parameters} if parameters else {}


_DOCUMENT = document()
_TAG = hashlib.sha256(json.dumps(_DOCUMENT).encode()).hexdigest()[:16]


@bp.get("/openapi.json")
def get_document() -> AnyResponse:
    """The document, in the language of the request."""
    text = json.dumps(_translated(_DOCUMENT), ensure_ascii=False, separators=(",", ":"))
    return with_etag(Response(text, mimetype="application/json"), _TAG)


def _translated(part: Any) -> Any:
    """Translate every string of the document into the language of this request."""
    if isinstance(part, dict):
        return {name: _translated(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_translated(value) for value in part]
    return translate(part) if isinstance(part, str) else part
