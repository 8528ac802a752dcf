"""The goods of a made picture in their own pixels: on exact white by rule, in this process; or cut out by
``saliency_seg`` on Volcengine's visual API, with the keys of Jimeng, answered at once.

Its price is not published: JIMENG_CUTOUT_PRICE. Of its answer only the alpha is used.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from app.domain import (
    ASPECT_RATIOS,
    MAX_PROMPT_LENGTH,
    RESOLUTION_AREAS,
    EditRules,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    Size,
)
from app.errors import Billed, ModelError, message
from app.images import cutout
from app.images.decode import InvalidImage, jpeg_within
from app.providers.base import KeyCheck, ModelSettings, Sleep, SubmitResult
from app.providers.error_rules import at_least_unknown, outcome_unknown
from app.providers.http import Response, ServiceClient, decode_base64
from app.providers.jimeng import CUT_OUT, Jimeng, JimengSettings
from app.providers.jimeng_errors import LABEL, edit_error, submit_error, task_data
from app.providers.kit import prices

_LARGEST = 4_700_000  # bytes, as of Jimeng's other models; its own limit is not known
_LONGEST = 4096
_SHAPES = [*product(ASPECT_RATIOS, RESOLUTION_AREAS.items())]


class WhiteGround:
    """Lifts a near-white ground to exact white; see ``base.Provider``."""

    latency: None = None

    def __init__(self, _settings: ModelSettings) -> None:
        about = "在这台电脑上把近白色的背景提到纯白，商品的像素不变，不花钱。"
        self.spec = _spec(
            name="white-ground",
            label="白底",
            model_id="white-ground",
            verb="白底",
            setup=ModelSetup(title="白底", about=about),
            prices=prices(Decimal(0)),
            self_hosted=True,
        )

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Make the picture. Raises ModelError that says why its ground cannot be lifted."""
        try:
            content = cutout.on_white(references[0].content or b"")
        except cutout.CannotCutOut as problem:
            text = "{reason}，没有改，也没有花钱；背景不是近白色的图请用「抠图」"
            raise ModelError(text, reason=problem.reason, cause="request", billed=Billed.NO) from None
        return SubmitResult(image=GeneratedImage(content=content))

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Raise ModelError: there are no task ids."""
        raise ModelError("白底图不能取回，请再做一次，不花钱", cause="expired", billed=Billed.NO)

    def check_key(self) -> KeyCheck:
        """Return success: there is no key."""
        return KeyCheck(verified=True, text=message("白底在本机做，不需要密钥，不花钱"))


class SaliencySeg:
    """Cuts out what stands out in a picture; see ``base.Provider``."""

    latency: None = None

    def __init__(self, settings: JimengSettings) -> None:
        self._jimeng = Jimeng(settings)
        self._secrets = (settings.volcengine_ak, settings.volcengine_sk)
        self._client = ServiceClient(LABEL, settings.jimeng_endpoint, timeout=settings.model_timeout)
        self._at_once = threading.Lock()  # one picture is opened at a time
        self.spec = _spec(
            name="jimeng",
            label="即梦抠图",
            model_id=CUT_OUT,
            verb="抠图",
            setup=self._jimeng.spec.setup,
            prices=prices(settings.jimeng_cutout_price),
        )

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Cut out the goods. Raises ModelError."""
        original = references[0].content or b""
        body = {
            "req_key": CUT_OUT,
            "binary_data_base64": [base64.b64encode(_sent(original)).decode()],
            "only_mask": 3,  # as large as the picture, with alpha
            "refine_mask": 2,  # the finest edge
            "rgb": [-1, -1, -1],  # transparent
        }
        answer = self._jimeng.call(self._client.post_once, "CVProcess", body)
        try:
            drawn = self._drawn(answer)
            with self._at_once:
                content = cutout.with_alpha(original, drawn)
        except cutout.CannotCutOut as problem:
            text = "{reason}，没有做成，这一张已计费；再抠一次会再付一次"
            raise ModelError(text, reason=problem.reason, cause="service", billed=Billed.YES) from None
        return SubmitResult(image=GeneratedImage(content=content))

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Raise ModelError: there are no task ids."""
        raise ModelError("抠图的结果不能取回，请再抠一次", cause="expired", billed=Billed.UNKNOWN)

    def check_key(self) -> KeyCheck:
        """Check the keys as Jimeng does: whether the account may cut out is known with the first picture."""
        return self._jimeng.check_key()

    def _drawn(self, answer: Response) -> bytes:
        """The picture of an answer, whatever code stands beside it. Raises ModelError."""
        contents = task_data(answer).get("binary_data_base64")
        if isinstance(contents, list) and contents and (drawn := decode_base64(contents[0])):
            return drawn
        if problem := submit_error(answer, *self._secrets):
            raise at_least_unknown(edit_error(problem, answer, self.spec.label), answer.status)
        raise outcome_unknown(LABEL, message("答复里没有图片"))


def open_jimeng(settings: JimengSettings) -> Jimeng | SaliencySeg:
    """The client of one model of Jimeng's keys."""
    return SaliencySeg(settings) if settings.jimeng_req_key == CUT_OUT else Jimeng(settings)


def _sent(content: bytes) -> bytes:
    """The picture as a JPEG that the service takes. Raises ModelError."""
    try:
        fits = jpeg_within(content, _LARGEST, max_side=_LONGEST)
    except InvalidImage:
        fits = None
    if not fits:
        text = "原图打不开或压不到 4.7 MB，没有发送，也没有计费"
        raise ModelError(text, cause="request", billed=Billed.NO)
    return fits


def _spec(*, verb: str, prices: Mapping[str, Decimal], **more: Any) -> ModelSpec:
    """It takes one picture and no words. Its sizes are those that pictures may have, about."""
    return ModelSpec(
        sizes={(ratio, tier): _size(ratio, area) for ratio, (tier, area) in _SHAPES},
        prompt_limit=MAX_PROMPT_LENGTH,
        max_references=1,
        min_references=1,
        reference_form="bytes",
        prices=prices,
        edit=EditRules(takes="whole", only=True, verb=verb),
        **more,
    )


def _size(ratio: str, area: int) -> Size:
    across, down = map(int, ratio.split(":"))
    side = math.sqrt(area / (across * down))
    return Size(width=round(across * side), height=round(down * side))
