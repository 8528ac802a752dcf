"""The language of an answer: the person's choice, else the browser's wish, else Chinese.

The rooms speak Chinese, in the database too. Words born in ``web/`` are given to ``say``; finished sentences
from deeper rooms are ``told``.
"""

from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, g, redirect, request
from flask_babel import Babel, get_locale
from werkzeug.wrappers import Response

from app.web.i18n.catalogue import Catalogue, fill
from app.web.urls import safe_redirect_target, safe_urlsplit

Translate = Callable[[str], str]
LOCALES = ("zh", "en")
_IN_WORDS = ("text/html", "text/plain", "application/json")
_COOKIE = "language"
_YEAR = 365 * 24 * 3600
CATALOGUE = Path(__file__).parents[2] / "translations" / "en" / "LC_MESSAGES" / "messages.po"
language = Blueprint("language", __name__)


def init_i18n(app: Flask) -> None:
    """Give the app its languages, and the templates their ``_("…")`` and ``| told``."""
    Babel(app, default_locale="zh", locale_selector=select_locale, configure_jinja=False)
    app.jinja_env.globals["_"] = gettext
    app.jinja_env.filters["told"] = translate
    app.context_processor(_for_templates)
    app.register_blueprint(language)
    app.after_request(_depend_on_wish)


def is_english() -> bool:
    """Whether this request is answered in English."""
    if "is_english" not in g:
        locale = get_locale()
        g.is_english = locale is not None and locale.language == "en"
    english: bool = g.is_english
    return english


def gettext(sentence: str, **values: Any) -> str:
    """A sentence with its gaps filled, in the language of this request."""
    if not is_english():
        return fill(sentence, values)
    return fill(_english().words.get(sentence) or sentence, values, translate)


def translate(sentence: str) -> str:
    """A finished sentence of any room in this request's language; a person's own words stay as they are."""
    return translator()(sentence)


def translator() -> Translate:
    """``told`` of this request, also for what is written while its answer is sent."""
    return _english().told if is_english() else str


def script_in_english(text: str) -> str:
    """A script that says in English what it said in Chinese."""
    return _english().script(text)


def day_in_words(day: date, *, with_year: bool = True) -> str:
    """11月24日, Nov 24; with its year 2025年11月24日, Nov 24, 2025."""
    if is_english():
        return f"{day:%b} {day.day}" + (f", {day.year}" if with_year else "")
    return (f"{day.year}年" if with_year else "") + f"{day.month}月{day.day}日"


@language.post("/language")
def choose() -> Response:
    """The switch: keep the choice, back to the page it was made on."""
    chosen = request.form.get("language", "")
    answer = redirect(_page_before(), 303)
    if chosen in LOCALES:
        answer.set_cookie(_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True)
    return answer


def _for_templates() -> dict[str, Any]:
    """``language`` of the page."""
    return {"language": "en" if is_english() else "zh-CN"}


def select_locale() -> str:
    """What was chosen by the switch, else the first that the browser names and we speak, else Chinese."""
    wishes = [request.cookies.get(_COOKIE, ""), *(tag for tag, _ in request.accept_languages)]
    known = (tag.lower().partition("-")[0] for tag in wishes)
    return next((tag for tag in known if tag in LOCALES), "zh")


@cache
def _english() -> Catalogue:
    """Read when the first person wants it."""
    return Catalogue(CATALOGUE)


def _page_before() -> str:
    """The path of the page that the switch was on, when it is one of ours."""
    before = safe_urlsplit(request.referrer or "")
    if before.netloc.lower() != request.host.lower():
        return "/"
    return safe_redirect_target(f"{before.path}?{before.query}" if before.query else before.path)


def _depend_on_wish(response: Response) -> Response:
    """Pictures, scripts and styles are the same in every language and stay in the browser's cache."""
    if response.mimetype in _IN_WORDS:
        response.vary.update(("Accept-Language", "Cookie"))
    return response
