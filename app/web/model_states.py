"""The state of each image model in the top bar: whether it can be ordered from, and what is under way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from app.web.i18n import translate
from app.web.page_model import price_range
from app.web.services import services
from app.worker.engines import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """A model as the top bar shows it, in the language of the request.

    ``state`` is ready, demo, key_missing, key_refused, model_ended, model_ends or throttled; ``refusal`` is
    why the service refused the key. ``concurrency`` is how many images may be under way at present,
    ``under_way`` how many are.
    """

    model_id: str
    label: str
    state: str
    price: str
    concurrency: int
    under_way: int
    refusal: str = ""


def list_model_states(under_way: Mapping[str, int]) -> list[ModelState]:
    """The state of every model, the default first; ``under_way`` is the number of images by model id.

    One that only changes pictures is listed while it does.
    """
    return [
        ModelState(
            model_id=engine.model_id,
            label=translate(engine.spec.label),
            state=_state(engine),
            price=price_range(engine.spec.prices.values()),
            concurrency=engine.pace.concurrency,
            under_way=under_way.get(engine.model_id, 0),
            refusal=translate(engine.refusal) if engine.refusal else "",
        )
        for engine in services().runtime.engines
        if engine.spec.is_for_rows or engine.model_id in under_way
    ]


def _state(engine: Engine) -> str:
    spec, today = engine.spec, date.today()
    if spec.is_retired(today):
        return "model_ended"
    if services().model_problem(spec):
        return "key_missing"
    if engine.refusal:
        return "key_refused"
    if engine.pace.concurrency < engine.limit.highest:
        return "throttled"
    if spec.retirement_notice(today):
        return "model_ends"
    return "demo" if spec.name == "demo" else "ready"
