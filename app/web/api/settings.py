"""The API of the settings of image services: read, change, and test a key."""

from flask import Blueprint
from werkzeug.wrappers import Response

from app.errors import InvalidRequest
from app.web.openapi.describe import describe
from app.web.openapi.schemas import answer, map_of, strict_object, text
from app.web.params import json_body
from app.web.provider_settings import MAX_LENGTH, VARIABLES, change_settings, list_variables, test_key
from app.web.serializers import failure, success
from app.web.start_settings import START_VARIABLES, change_start_settings, list_start_variables

bp = Blueprint("settings", __name__)


@bp.get("/settings")
@describe("图片服务的设置；密钥只说填了没有", answer(variables=map_of("Variable")))
def get_settings() -> Response:
    """The settings that can be changed without a restart, never the value of a secret."""
    return success(variables=list_variables())


@bp.put("/settings")
@describe(
    "改设置：写进 .env，马上生效；OSS、HOST 等重启后，另外改。空的不设；限本机或登录后",
    answer(text=str, result=str, variables=map_of("Variable"), undo=text(description="撤销删除")),
    json=strict_object(**dict.fromkeys((*VARIABLES, *START_VARIABLES, "undo"), text(maxLength=MAX_LENGTH))),
)
def put_settings() -> Response:
    """Change any of them; the orders from the next one on use them."""
    body = json_body()
    of_start = [name for name in body if name in START_VARIABLES]
    if of_start and len(of_start) < len(body):
        raise InvalidRequest(of_start[0], "{name} 重新启动后才生效，请和马上生效的分两次存", name=of_start[0])
    done = change_start_settings(body) if of_start else change_settings(body)
    variables = list_start_variables() if of_start else list_variables()
    return success(text=done.text, result=done.result, variables=variables, undo=done.undo)


@bp.post("/models/<name>/test")
@describe("测试一家服务的密钥，不花钱；不能用是 502", answer(verified=bool, text=str))
def post_test(name: str) -> Response:
    """Test the stored key of a provider -> whether it was verified, and what is still open."""
    tested = test_key(name)
    if tested.result == "bad":
        return failure(tested.text, 502)
    return success(verified=tested.result == "good", text=tested.text)
