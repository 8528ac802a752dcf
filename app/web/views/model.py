"""The page of image models: the variables each needs in ``.env``, and a test of the key in use."""

from datetime import date
from pathlib import Path

from flask import Blueprint, render_template

import generator
from app import log
from app.domain import ModelSpec
from app.errors import Conflict, Message, ModelError, message
from app.web.services import services

bp = Blueprint("model", __name__)


@bp.get("/model")
def index() -> str:
    """Every image model, the one in use first; which variables are set, never their values."""
    return _render()


@bp.post("/model")
def test_key() -> str:
    """Test the key in use, one test at a time -> the page with the result in one sentence."""
    current = services()
    if problem := current.key_problem:
        raise Conflict(problem)
    spec = current.spec
    try:
        with current.key_tests:
            tested = current.worker.engines.default.provider.check_key()
    except ModelError as refusal:
        log.event("web", "key_tested", model=spec.name, result="bad", cause=refusal.cause)
        return _render(result="bad", sentence=refusal.message)
    result = "good" if tested.verified else "open"
    log.event("web", "key_tested", model=spec.name, result=result)
    return _render(result=result, sentence=tested.text)


def _render(**tested: str | Message) -> str:
    settings, today = services().settings, date.today()
    specs = sorted(generator.list_specs(settings), key=lambda spec: spec.name != settings.image_model)
    sources = {name: settings.source_of(name) for spec in specs for name in spec.setup.variables}
    return render_template(
        "pages/model.html",
        specs=specs,
        prices={spec.name: _price(spec) for spec in specs},
        sources=sources,
        unset=[name for name, source in sources.items() if source == "empty"],
        in_use=settings.image_model,
        notices={spec.name: spec.retirement_notice(today) for spec in specs},
        ended=[spec.name for spec in specs if spec.is_retired(today)],
        is_ready=not settings.missing_for(settings.image_model),
        receiver=services().worker.notifier.receiver,
        dotenv=Path(".env").absolute(),
        **tested,
    )


def _price(spec: ModelSpec) -> str | Message:
    if not spec.is_priced:
        return "未设价格：填写 PRICE_PER_IMAGE 后才能统计费用"
    lowest, highest = min(spec.prices.values()), max(spec.prices.values())
    if highest:
        text = "¥{lowest} 一张" if lowest == highest else "¥{lowest}–{highest} 一张"
        return message(text, lowest=f"{lowest:.2f}", highest=f"{highest:.2f}")
    return spec.setup.free
