"""The page of the models: what each needs in ``.env``, and whether the key in use is any good.

Shows which variables are filled, never with what.
"""

from dataclasses import dataclass
from pathlib import Path

from flask import render_template

import generator
from app import log
from app.config import Settings
from app.domain import ModelCard
from app.errors import Busy, Conflict, ModelError
from app.web.services import rooms
from app.web.views.create import pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One image model and how far its settings have come: variable -> ``set``, ``default`` or ``empty``."""

    card: ModelCard
    price: str
    variables: dict[str, str]
    in_use: bool
    ready: bool


@pages.get("/model")
def model() -> str:
    """Every image model, the one in use first."""
    return _page()


@pages.post("/model")
def test_model_key() -> str:
    """Test the key in use, one test at a time -> the page with one sentence on what came back."""
    here = rooms()
    if here.settings.missing_keys:
        raise Conflict(f"还没有设置 {'、'.join(here.settings.missing_keys)}，请写进 .env 后重新启动")
    if not here.key_test.acquire(blocking=False):
        raise Busy("已经在测试密钥了，请等它测完")
    try:
        tested = here.model.test_key()
    except ModelError as problem:
        log.note("web", "key_tested", model=here.model.card.name, result="bad", cause=problem.cause)
        return _page(result="bad", sentence=problem.message)
    finally:
        here.key_test.release()
    result = "good" if tested.proven else "open"
    log.note("web", "key_tested", model=here.model.card.name, result=result)
    return _page(result=result, sentence=tested.text)


def _page(**tested: str) -> str:
    settings = rooms().settings
    choices = [_choice(card, settings) for card in generator.list_cards(settings)]
    choices.sort(key=lambda choice: not choice.in_use)
    return render_template("model.html", choices=choices, dotenv=Path(".env").absolute(), **tested)


def _choice(card: ModelCard, settings: Settings) -> Choice:
    return Choice(
        card=card,
        price=_price(card),
        variables={name: settings.how_filled(name) for name in card.setup.variables},
        in_use=card.name == settings.image_model,
        ready=not settings.missing_for(card.name),
    )


def _price(card: ModelCard) -> str:
    if not card.is_priced:
        return "未设价格：填写 PRICE_PER_IMAGE 后才能统计费用"
    lowest, highest = min(card.prices.values()), max(card.prices.values())
    if highest:
        return f"¥{lowest:.2f} 一张" if lowest == highest else f"¥{lowest:.2f}–{highest:.2f} 一张"
    return card.setup.free
