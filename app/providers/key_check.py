"""Check an API key with a free call: list the models, or query a task that does not exist.

Jimeng's code for an account without entitlement was recorded only once, for a submission: after an accepted
query, entitlement and balance are known only with the first image, and the message says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.errors import Billed, Message, ModelError, message
from app.providers.base import KeyCheck
from app.providers.error_rules import parse_error, redacted
from app.providers.http import Response, ServiceClient

SECONDS = 10  # that a user waits for the page
FIRST_IMAGE = message("开通情况和余额要到第一张图才知道")


def checked(label: Message, base: str, call: Callable[[ServiceClient], Response]) -> Response:
    """Make a free call. Raises ModelError, always not billed."""
    try:
        return call(ServiceClient(label, base, timeout=SECONDS))
    except ModelError as problem:
        if problem.billed is Billed.NO:
            raise
        text = "{label}在 {seconds} 秒内没有答复完，没能测试密钥，请检查网络后再测一次"
        raise ModelError(text, label=label, seconds=SECONDS, cause="network", billed=Billed.NO) from None


def list_models(
    label: Message,
    base: str,
    key: str,
    *,
    model: str,
    variables: tuple[str, str],
    headers: Mapping[str, str],
    listed_as: str = "data",
) -> KeyCheck:
    """List the models of an OpenAI-like service. ``variables``: those of its key and its URL.

    ``listed_as`` is ``models`` for Gemini, which calls a wrong key a bad request.
    """
    answer = checked(label, base, lambda client: client.get(f"{base}/models", headers=headers))
    key_name, url_name = variables
    if answer.status in (401, 403) or (listed_as == "models" and answer.status == 400):
        code = redacted(parse_error(answer.fields)[0] or f"HTTP {answer.status}", key)
        problem = message(
            "{label}不接受这个密钥，请检查 {variable}（{code}）", label=label, variable=key_name, code=code
        )
        raise ModelError(problem, cause="key", billed=Billed.NO, pauses_batch=True)
    if answer.status in (404, 405):
        return untested(label, url_name)
    listed = answer.fields.get(listed_as)
    if answer.status != 200 or not isinstance(listed, list):
        raise unreadable(label, answer.status)
    objects = [each for each in listed if isinstance(each, dict)]
    if model in {str(each.get("id") or each.get("name")).removeprefix("models/") for each in objects}:
        known = message("模型 {model} 在它的列表里", model=model)
    else:
        known = message("它的列表里没有写 {model}，有的服务不列图片模型", model=model)
    state = message("密钥有效" if key else "连得上，它不要密钥")
    result = message(
        "{label}：{state}，{known}；{open}", label=label, state=state, known=known, open=FIRST_IMAGE
    )
    return KeyCheck(verified=True, text=result)


def valid(label: Message) -> KeyCheck:
    """The result of a free call that the service accepted."""
    text = "{label}：密钥有效，没有花钱；{open}"
    return KeyCheck(verified=True, text=message(text, label=label, open=FIRST_IMAGE))


def untested(label: Message, variable: str) -> KeyCheck:
    """The result where the service has no free call; ``variable`` is that of its URL."""
    text = "{label}连得上，但没有不花钱的测试办法：{variable} 和密钥对不对，要到第一张图才知道"
    return KeyCheck(verified=False, text=message(text, label=label, variable=variable))


def unreadable(label: Message, status: int) -> ModelError:
    """Return the error for an inconclusive response."""
    text = "{label}的答复无法识别（HTTP {status}），没能测出密钥是否有效，请检查服务地址或稍后再测"
    return ModelError(text, label=label, status=status, cause="service", billed=Billed.NO)
