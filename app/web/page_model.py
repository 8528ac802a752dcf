"""The model of a page: chosen in the address or the form, remembered in a cookie, else the default."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from flask import request
from werkzeug.wrappers import Response

from app.domain import Models, ModelSpec
from app.errors import InvalidRequest, Message
from app.web.downloads import YEAR_SECONDS
from app.web.i18n import gettext, translate
from app.web.services import services

STUDIO, BATCH = "studio_model", "batch_model"  # the cookies


@dataclass(frozen=True, slots=True, kw_only=True)
class PageModel:
    """``problem``: why the model that was asked for is not ``spec``. ``is_asked``: named in the address."""

    spec: ModelSpec
    problem: Message | None = None
    is_asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model as a list offers it; ``problem`` is why it cannot be chosen, or empty. ``is_refused``: the
    service refused its key. Texts are translated."""

    model_id: str
    label: str
    price: str
    problem: str = ""
    is_refused: bool = False


def page_model(cookie: str) -> PageModel:
    """The model of a page whose choice this cookie has; one that cannot be ordered from gives the default."""
    current = services()
    asked = request.values.get("model", "")
    try:
        spec = current.models.find(asked or request.cookies.get(cookie, ""))
    except InvalidRequest as error:
        return PageModel(spec=current.spec, problem=error.message)
    problem = current.model_problem(spec)
    if problem and spec.model_id != current.spec.model_id:
        return PageModel(spec=current.spec, problem=problem)
    return PageModel(spec=spec, is_asked=bool(asked))


def remember(answer: Response, cookie: str, chosen: PageModel) -> Response:
    """Keep a model that the address names for the next visit; forget one that cannot be used."""
    if chosen.problem:
        answer.delete_cookie(cookie)
    elif chosen.is_asked:
        answer.set_cookie(cookie, chosen.spec.model_id, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
    return answer


def model_labels(models: Models) -> dict[str, str]:
    """Model id -> label in the language of the request; the id is added where two have the same."""
    labels = {model_id: translate(spec.label) for model_id, spec in models.items()}
    count = Counter(labels.values())
    return {
        model_id: label if count[label] == 1 else f"{label} ({model_id})"
        for model_id, label in labels.items()
    }


def model_choices() -> dict[str, list[Choice]]:
    """The models of rows, by the title of their provider; empty when there is only one.

    Last and by themselves those that cannot be ordered from, and those of unknown price beside known ones.
    """
    current, groups, rare = services(), dict[str, list[Choice]](), list[Choice]()
    models = current.row_models
    if len(models) < 2:
        return groups
    labels = model_labels(models)
    for model_id, spec in models.items():
        problem, engine = current.model_problem(spec), current.runtime.engines.find(model_id)
        choice = Choice(
            model_id=model_id,
            label=labels[model_id],
            price=price_range(spec.prices.values()),
            problem=translate(problem) if problem else "",
            is_refused=engine is not None and engine.refusal is not None,
        )
        is_rare = problem or (not spec.prices and spec.name != current.spec.name)
        (rare if is_rare else groups.setdefault(translate(spec.setup.title), [])).append(choice)
    return groups | ({translate("更多"): rare} if rare else {})


def price_range(prices: Collection[Decimal]) -> str:
    """``¥0.22``, ``¥0.12–0.24``; in words when the price is not known or 0."""
    if not prices:
        return gettext("价格未设")
    if not any(prices):
        return gettext("免费")
    low, high = f"{min(prices):.2f}", f"{max(prices):.2f}"
    return f"¥{low}" if low == high else f"¥{low}–{high}"
