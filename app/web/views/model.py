"""The page of image models: the variables each needs in ``.env``, and a test of the key in use.

Shows which variables are set, never their values.
"""

from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, render_template

import generator
from app import log
from app.config import Settings
from app.domain import ModelSpec
from app.errors import Message, ModelError, message
from app.web.services import services
from app.web.submit import check_keys

bp = Blueprint("model", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One image model and its settings; ``variables``: name -> ``set``, ``default`` or ``empty``."""

    spec: ModelSpec
    price: str | Message
    variables: dict[str, str]
    in_use: bool
    ready: bool


@bp.get("/model")
def index() -> str:
    """Every image model, the one in use first."""
    return _render()


@bp.post("/model")
def test_key() -> str:
    """Test the key in use, one test at a time -> the page with the result in one sentence."""
    check_keys()
    current = services()
    try:
        with current.key_tests:
            tested = current.model.check_key()
    except ModelError as problem:
        log.event("web", "key_tested", model=current.model.spec.name, result="bad", cause=problem.cause)
        return _render(result="bad", sentence=problem.message)
    result = "good" if tested.verified else "open"
    log.event("web", "key_tested", model=current.model.spec.name, result=result)
    return _render(result=result, sentence=tested.text)


def _render(**tested: str | Message) -> str:
    settings = services().settings
    choices = [_choice(spec, settings) for spec in generator.list_specs(settings)]
    choices.sort(key=lambda choice: not choice.in_use)
    return render_template("model.html", choices=choices, dotenv=Path(".env").absolute(), **tested)


def _choice(spec: ModelSpec, settings: Settings) -> Choice:
    return Choice(
        spec=spec,
        price=_price(spec),
        variables={name: settings.source_of(name) for name in spec.setup.variables},
        in_use=spec.name == settings.image_model,
        ready=not settings.missing_for(spec.name),
    )


def _price(spec: ModelSpec) -> str | Message:
    if not spec.is_priced:
        return "未设价格：填写 PRICE_PER_IMAGE 后才能统计费用"
    lowest, highest = min(spec.prices.values()), max(spec.prices.values())
    if highest:
        text = "¥{lowest} 一张" if lowest == highest else "¥{lowest}–{highest} 一张"
        return message(text, lowest=f"{lowest:.2f}", highest=f"{highest:.2f}")
    return spec.setup.free
