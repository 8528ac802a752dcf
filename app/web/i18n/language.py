"""The language of a response: the user's choice, else the browser's preference, else Chinese.

All packages write Chinese, in the database too. ``gettext`` translates sentences written in ``web/``;
``translate`` translates complete sentences from other packages.
"""

from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, g, redirect, request
from flask_babel import Babel, get_locale
from werkzeug.wrappers import Response

from app.errors import Message, message
from app.web.i18n.catalogue import Catalogue
from app.web.urls import safe_redirect_target, safe_urlsplit

Translate = Callable[[str | Message], str]
LOCALES = ("zh", "en")
_TEXT_TYPES = ("text/html", "text/plain", "application/json")
_COOKIE = "language"
_YEAR = 365 * 24 * 3600
CATALOGUE = Path(__file__).parents[2] / "translations" / "en" / "LC_MESSAGES" / "messages.po"
language = Blueprint("language", __name__)


def init_i18n(app: Flask) -> None:
    """Initialise the languages of the app, and the templates' ``_("…")`` and ``| translated``."""
    Babel(app, default_locale="zh", locale_selector=select_locale, configure_jinja=False)
    app.jinja_env.globals["_"] = gettext
    app.jinja_env.filters["translated"] = translate
    app.context_processor(_for_templates)
    app.after_request(_vary_by_language)


def is_english() -> bool:
    """Whether the response to this request is in English."""
    if "is_english" not in g:
        locale = get_locale()
        g.is_english = locale is not None and locale.language == "en"
    english: bool = g.is_english
    return english


def gettext(sentence: str, /, **values: Any) -> str:
    """Translate a sentence into the language of this request and fill its placeholders."""
    return translate(Message(sentence, values))


def translate(sentence: str | Message) -> str:
    """Translate into the language of this request; a sentence that is not in the catalogue is unchanged."""
    return translator()(sentence)


def translator() -> Translate:
    """``translate`` bound to this request's language, usable while the response is streamed."""
    return _in_english if is_english() else str


def _in_english(sentence: str | Message) -> str:
    return message(sentence).render(_english().told, ", ")


def script_in_english(text: str) -> str:
    """Translate the sentences of a script into English."""
    return _english().script(text)


def day_in_words(day: date, *, with_year: bool = True) -> str:
    """11月24日, Nov 24; with its year 2025年11月24日, Nov 24, 2025."""
    if is_english():
        return f"{day:%b} {day.day}" + (f", {day.year}" if with_year else "")
    return (f"{day.year}年" if with_year else "") + f"{day.month}月{day.day}日"


@language.post("/language")
def choose() -> Response:
    """Save the chosen language in a cookie and redirect to the page it was chosen on."""
    chosen = request.form.get("language", "")
    answer = redirect(_referring_path(), 303)
    if chosen in LOCALES:
        answer.set_cookie(_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True)
    return answer


def _for_templates() -> dict[str, Any]:
    """The template context: ``language`` of the page."""
    return {"language": "en" if is_english() else "zh-CN"}


def select_locale() -> str:
    """The language of the cookie, else the first supported one of the browser, else Chinese."""
    preferences = [request.cookies.get(_COOKIE, ""), *(tag for tag, _ in request.accept_languages)]
    known = (tag.lower().partition("-")[0] for tag in preferences)
    return next((tag for tag in known if tag in LOCALES), "zh")


@cache
def _english() -> Catalogue:
    """The English catalogue, read on first use."""
    return Catalogue(CATALOGUE)


def _referring_path() -> str:
    """The path of the referring page when it is on this host, else ``/``."""
    before = safe_urlsplit(request.referrer or "")
    if before.netloc.lower() != request.host.lower():
        return "/"
    return safe_redirect_target(f"{before.path}?{before.query}" if before.query else before.path)


def _vary_by_language(response: Response) -> Response:
    """Set ``Vary`` on text and JSON; other responses do not depend on the language."""
    if response.mimetype in _TEXT_TYPES:
        response.vary.update(("Accept-Language", "Cookie"))
    return response
