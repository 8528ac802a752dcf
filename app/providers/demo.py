"""``demo``: draws locally, at once and free, so that everything can be tried without a key.

Prompt and seed choose colours and shapes, steps the amount of detail, ratio and resolution the size.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from decimal import Decimal

from app.domain import (
    MAX_PROMPT_LENGTH,
    MAX_SEED,
    EditRules,
    GeneratedImage,
    ImageRequest,
    ModelSetup,
    ModelSpec,
    Reference,
    Size,
    SizeRule,
)
from app.errors import Billed, ModelError, message
from app.images.demo_picture import draw
from app.providers.base import KeyCheck, ModelSettings, Sleep, SubmitResult
from app.providers.kit import prices, size_table

_SIZES = SizeRule(
    min_side=256, max_side=8192, min_area=256 * 256, max_area=17_000_000, max_ratio=8, multiple_of=2
)

_SETUP = ModelSetup(
    title="演示",
    about="在这台电脑上作画，不联网；图上带「演示」字样，用来熟悉每个页面。",
)


class Demo:
    """The provider ``demo``; see ``base.Provider``."""

    latency: None = None

    def __init__(self, settings: ModelSettings) -> None:
        self.spec = ModelSpec(
            name="demo",
            label="演示",
            model_id="demo",
            sizes=size_table({}, _SIZES),
            own_sizes=_SIZES,
            prompt_limit=MAX_PROMPT_LENGTH,
            max_references=4,
            reference_form="bytes",
            negative_prompt="field",
            takes_seed=True,
            takes_steps=True,
            prices=prices(settings.price_per_image, Decimal(0)),
            self_hosted=True,
            edit=EditRules(takes="mask", words=True, expands=True),
            setup=_SETUP,
            field_notes={"sample_images": "演示图只把参考图缩小贴在右上角"},
        )

    def submit(self, request: ImageRequest, references: Sequence[Reference]) -> SubmitResult:
        """Draw the image; a random seed is chosen when none is given, and returned."""
        seed = secrets.randbelow(MAX_SEED) if request.seed is None else request.seed
        edit = request.edit  # of a changed picture, which has the size of its canvas
        size = Size(width=edit.canvas[0], height=edit.canvas[1]) if edit else self.spec.size(request)
        content = draw(request, size, seed, references)
        return SubmitResult(image=GeneratedImage(content=content, seed=seed))

    def fetch(self, task_id: str, sleep: Sleep) -> GeneratedImage:
        """Raise ModelError: there are no task ids."""
        raise ModelError("演示图不能取回，请重新生成", cause="expired", billed=Billed.NO)

    def check_key(self) -> KeyCheck:
        """Return success: there is no key."""
        return KeyCheck(verified=True, text=message("演示模型在本机作画，不需要密钥，不花钱"))
