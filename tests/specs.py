"""Model specs for tests: everything is supported, at ¥0.22 an image; references in different forms."""

from dataclasses import replace
from decimal import Decimal

from app.domain import ASPECT_RATIOS, RESOLUTION_AREAS, ModelSetup, ModelSpec, SizeRule, exact_size

_SIZES = SizeRule()
ANY = ModelSpec(
    name="test",
    label="测试模型",
    model_id="test-1",
    sizes={
        (r, k): exact_size(r, area, _SIZES) for r in ASPECT_RATIOS for k, area in RESOLUTION_AREAS.items()
    },
    own_sizes=_SIZES,
    prompt_limit=800,
    max_references=4,
    reference_form="any",
    negative_prompt="field",
    takes_seed=True,
    takes_steps=True,
    prices=dict.fromkeys(RESOLUTION_AREAS, Decimal("0.22")),
    setup=ModelSetup(title="测试模型", about="什么都会。"),
)
URL = replace(ANY, reference_form="url")
BYTES = replace(ANY, reference_form="bytes")
