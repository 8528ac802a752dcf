"""The language of a response: the user's choice, else the browser's preference, else Chinese.

All packages write Chinese, in the database too: as messages, whose ids are looked up in the catalogue here.
"""

import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from flask import Blueprint, Flask, g, redirect, request
from werkzeug.wrappers import Response

from app.errors import Message, Translate, message
from app.web.downloads import YEAR_SECONDS
from app.web.person import referring_path

LOCALES = ("zh", "en")
_TEXT_TYPES = ("text/html", "text/plain", "application/json")
_COOKIE = "language"
CATALOGUE = Path(__file__).parents[1] / "translations" / "en" / "LC_MESSAGES" / "messages.po"
_CHINESE_LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*[\u3000-\u9fff\uff00-\uffef](?:\\.|[^"\\\n])*)"')
language = Blueprint("language", __name__)


def init_i18n(app: Flask) -> None:
    """Initialise the languages of the app, and the templates' ``_("…")`` and ``| translated``."""
    app.jinja_env.globals["_"] = gettext
    app.jinja_env.filters["translated"] = translate
    app.context_processor(lambda: {"language": "en" if is_english() else "zh-CN"})
    app.after_request(_vary_by_language)


def is_english() -> bool:
    """Whether the response to this request is in English, which is found once a request."""
    if "is_english" not in g:
        g.is_english = select_locale() == "en"
    return bool(g.is_english)


def gettext(sentence: str, /, **values: Any) -> str:
    """Translate a sentence into the language of this request and fill its placeholders."""
    return translate(Message(sentence, values))


def translate(sentence: str | Message) -> str:
    """Translate into the language of this request; a sentence that is not in the catalogue is unchanged."""
    return translator()(sentence)


def translator() -> Translate:
    """``translate`` bound to this request's language, usable while the response is streamed."""
    return in_english if is_english() else str


def script_in_english(text: str) -> str:
    """Translate the sentences of a script, which are literals in double quotes."""

    def quoted(found: re.Match[str]) -> str:
        sentence = found[1].replace('\\"', '"')
        return '"' + english().get(sentence, sentence).replace('"', '\\"') + '"'

    return _CHINESE_LITERAL.sub(quoted, text)


def day_in_words(day: date, *, with_year: bool = True) -> str:
    """11月24日, Nov 24; with its year 2025年11月24日, Nov 24, 2025."""
    if is_english():
        return f"{day:%b} {day.day}" + (f", {day.year}" if with_year else "")
    return (f"{day.year}年" if with_year else "") + f"{day.month}月{day.day}日"


def month_in_words(day: date) -> str:
    """2026年12月, December 2026."""
    return f"{day:%B %Y}" if is_english() else f"{day.year}年{day.month}月"


@language.post("/language")
def choose() -> Response:
    """Save the chosen language in a cookie and redirect to the page it was chosen on."""
    chosen = request.form.get("language", "")
    answer = redirect(referring_path(), 303)
    if chosen in LOCALES:
        answer.set_cookie(_COOKIE, chosen, max_age=YEAR_SECONDS, samesite="Lax", httponly=True)
    return answer


def select_locale() -> str:
    """The language of the cookie, else the first supported one of the browser, else Chinese."""
    preferences = [request.cookies.get(_COOKIE, ""), *(tag for tag, _ in request.accept_languages)]
    known = (tag.lower().partition("-")[0] for tag in preferences)
    return next((tag for tag in known if tag in LOCALES), "zh")


@cache
def english() -> dict[str, str]:
    """The English catalogue, read on first use: id -> translation."""
    with CATALOGUE.open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}


def in_english(sentence: str | Message) -> str:
    """Translate into English; a sentence that is not in the catalogue is unchanged."""
    return message(sentence).render(lambda text: english().get(text, text))


def _vary_by_language(response: Response) -> Response:
    """Set ``Vary`` on text and JSON; other responses do not depend on the language."""
    if response.mimetype in _TEXT_TYPES:
        response.vary.update(("Accept-Language", "Cookie"))
    return response
