"""Testing a key without spending: a call that no service charges for, and what its answer proves.

    answer                                   jimeng: a look at work       seedream, openai: GET /models
                                             that was never ordered
    taken                                    key and signature are good   key is good; the model listed or not
    401, 403, gateway codes                  key or rights are wrong      the same
    50400                                    not entitled                 -
    404, 405                                 wrong address                nothing is proven: some list none
    no connection, no answer, others         nothing is proven: the error says what to look at

Which code an account without entitlement gets from jimeng was recorded once only, and for an order: when the
look is taken, entitlement and balance still show with the first picture, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable

from app.errors import Billed, ModelError
from app.providers.base import KeyCheck
from app.providers.http import Response, ServiceClient, parse_error, redacted

SECONDS = 10  # that a person waits before a page
_FIRST_PICTURE = "开通情况和余额要到第一张图才知道"


def answered(label: str, call: Callable[[], Response]) -> Response:
    """The answer to a call that cannot cost. Raises ModelError, without a word of money."""
    try:
        return call()
    except ModelError as problem:
        if problem.billed is Billed.NO:
            raise
        text = f"{label}在 {SECONDS} 秒内没有完整地答复，密钥没有测成，请检查网络后再测一次"
        raise ModelError(text, cause="network", billed=Billed.NO) from None


def listed_models(label: str, base: str, key: str, *, model: str, settings: tuple[str, str]) -> KeyCheck:
    """Ask an OpenAI-like service for its models. ``settings`` name the key's variable and the address's."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    line = ServiceClient(label, base, timeout=SECONDS)
    answer = answered(label, lambda: line.get(f"{base}/models", headers=headers))
    key_name, address_name = settings
    if answer.status in (401, 403):
        code = redacted(parse_error(answer.fields)[0] or f"HTTP {answer.status}", key)
        raise refused(f"{label}不接受这个密钥，请检查 {key_name}（{code}）")
    if answer.status in (404, 405):
        text = f"{label}连得上，但没有不花钱的测试办法：{address_name} 和密钥对不对，要到第一张图才知道"
        return KeyCheck(verified=False, text=text)
    listed = answer.fields.get("data")
    if answer.status != 200 or not isinstance(listed, list):
        raise unreadable(label, answer)
    names = {str(each.get("id")) for each in listed if isinstance(each, dict)}
    word = (
        f"模型 {model} 在它的列表里" if model in names else f"它的列表里没有写 {model}，有的服务不列图片模型"
    )
    good = "密钥有效" if key else "连得上，它不要密钥"
    return KeyCheck(verified=True, text=f"{label}：{good}，{word}；{_FIRST_PICTURE}")


def known_to(label: str) -> KeyCheck:
    """The service took a signed call."""
    return KeyCheck(verified=True, text=f"{label}：密钥有效，签名被接受，没有花钱；{_FIRST_PICTURE}")


def refused(text: str) -> ModelError:
    """The error for a key that no order would be taken with."""
    return ModelError(text, cause="key", billed=Billed.NO, pauses_batch=True)


def unreadable(label: str, answer: Response) -> ModelError:
    """The error for an answer that proves nothing."""
    text = f"{label}的答复无法识别（HTTP {answer.status}），没能测出密钥是否有效，请检查服务地址或稍后再测"
    return ModelError(text, cause="service", billed=Billed.NO)
