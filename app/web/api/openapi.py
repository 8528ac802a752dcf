"""``/api/openapi.json``: the OpenAPI 3.1 document, made of the descriptions of the app's routes."""

import hashlib
import json
import re
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from werkzeug.wrappers import Response as AnyResponse

from app.web.caching import with_etag
from app.web.i18n import translate
from app.web.openapi.describe import JSON, UNCHANGED, describe, operation_of
from app.web.openapi.schemas import ID, SCHEMAS, schema_of, text
from app.web.person import COOKIE

bp = Blueprint("openapi", __name__)
_ABOUT = (
    '凡是失败，都是 {"success": false, "error": "一句话"} 和相应的 4xx、5xx。'
    "设置了 ACCESS_PASSWORD 时，先以表单 POST /login（password），之后带着收到的 Cookie；POST /logout 退出；"
    "或带着「我的账号」里做的令牌：Authorization: Bearer <令牌>。"
)


@bp.get("/openapi.json")
@describe("这份文档", {"type": "object"}, also=UNCHANGED)
def get_document() -> AnyResponse:
    """The document, in the language of the request."""
    text = json.dumps(_translated(document(current_app)), ensure_ascii=False, separators=(",", ":"))
    tag = hashlib.sha256(text.encode()).hexdigest()[:16]
    return with_etag(Response(text, mimetype="application/json"), tag)


def _translated(part: Any) -> Any:
    """Translate every string of the document into the language of this request."""
    if isinstance(part, dict):
        return {name: _translated(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_translated(value) for value in part]
    return translate(part) if isinstance(part, str) else part


def document(app: Flask) -> dict[str, Any]:
    """The document as a JSON object, with Chinese texts."""
    failure = {JSON: {"schema": schema_of("Failure")}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "AI 图片生成器", "version": "1", "description": _ABOUT},
        "paths": _paths(app),
        "components": {
            "schemas": SCHEMAS,
            "responses": {
                "Failure": {"description": "没有成功", "content": failure},
                "FailureOrPage": {
                    "description": "失败；浏览器直接打开（Accept 要 HTML）时是网页",
                    "content": {**failure, "text/html": {}},
                },
            },
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"session": []}, {"token": []}],
    }


def _paths(app: Flask) -> dict[str, Any]:
    """The described operations by path and method, with the path parameters."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": ID if name == "record_id" else text()}
            for name in re.findall(r"{(\w+)}", path)
        ]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if operation := operation_of(app.view_functions[rule.endpoint], method):
                fields = {"parameters": parameters} if parameters else {}
                paths.setdefault(path, fields)[method.lower()] = operation
    return paths
