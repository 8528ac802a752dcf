"""Models that take references in different forms, for ``Library.resolve``."""

from dataclasses import replace
from decimal import Decimal

from app.domain import ModelSetup, ModelSpec, exact_size

ANY = ModelSpec(
    name="test",
    label="测试模型",
    model_id="test-1",
    sizes={("1:1", "1K"): exact_size("1:1", 1024 * 1024)},
    prompt_limit=800,
    max_references=4,
    reference_form="any",
    negative_prompt="field",
    takes_seed=True,
    takes_steps=True,
    prices={"1K": Decimal("0.22")},
    setup=ModelSetup(title="测试模型", about="什么都会。", variables={}),
)
URL = replace(ANY, reference_form="url")
BYTES = replace(ANY, reference_form="bytes")
