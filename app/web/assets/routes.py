"""Serve scripts and styles: one bundle of each per page, from the many files in ``static/``.

A script has one URL per language and contains its translated texts: the page carries none of them, and the
browser caches them with the script.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request, url_for
from rjsmin import jsmin

from app.errors import NotFound
from app.web import i18n
from app.web.assets.bundler import Bundler
from app.web.assets.tokens import plain_tokens

_KEY = "ai_image_generator_assets"
_WITHOUT_SHELL = ("round",)  # a client's page
_NOT_NEEDED = re.compile(r"/\*.*?\*/\n?|^ +|(?<=[{};,:])\s+|\s+(?=\{)", re.DOTALL | re.MULTILINE)
_MAX_KEPT = 100  # bundles; style sheets can be requested in any combination
_YEAR = "public, max-age=31536000, immutable"
assets = Blueprint("assets", __name__, url_prefix="/assets")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A script or style sheet, plain and compressed."""

    content: bytes
    packed: bytes


class AssetBundle:
    """The files of ``static/js`` and ``static/css`` at startup, bundled and compressed on first use."""

    def __init__(self, folder: Path) -> None:
        self._scripts = _read(folder / "js", "**/*.js")
        self._bundler = Bundler(self._scripts)
        self._styles = {Path(name).stem: text for name, text in _read(folder / "css", "**/*.css").items()}
        used = (self._styles[name] for name in ("base", "rounds"))
        self._styles["rounds_tokens"] = plain_tokens(self._styles["tokens"], used)
        everything = repr((self._scripts, self._styles, i18n.CATALOGUE.read_bytes())).encode()
        self.version = hashlib.sha256(everything).hexdigest()[:12]
        self._bundles: dict[tuple[str, ...], Bundle] = {}
        self._needed: dict[tuple[str, str], list[str]] = {}

    def script(self, locale: str, page: str, later: str = "") -> Bundle:
        """The script of a page in a language, or one of its later scripts. Raises NotFound."""
        return self._kept(locale, page, later, build=lambda: self._script(locale, page, later))

    def address(self, locale: str, page: str, later: str = "") -> str:
        """The URL of a page's script, or of one of its later scripts."""
        values: dict[str, Any] = {"version": self.version, "locale": locale, "page": page}
        if later:
            return url_for("assets.later_script", later=later.removesuffix(".js"), **values)
        return url_for("assets.script", **values)

    def preloads(self, locale: str, page: str, modules: list[str]) -> list[str]:
        """The URLs of the later scripts that a page loads when it imports these modules."""
        names: dict[str, None] = {}
        for module in modules:
            if (page, module) not in self._needed:
                self._needed[page, module] = self._bundler.needed_for(_entries(page), module)
            names |= dict.fromkeys(self._needed[page, module])
        return [self.address(locale, page, name) for name in names]

    def style(self, names: list[str]) -> Bundle:
        """The style sheets, concatenated. Raises NotFound."""
        if not set(names) <= set(self._styles):
            raise NotFound("没有这个样式，请刷新页面")
        sheets = (self._styles[name] for name in names)
        return self._kept(*names, build=lambda: "\n".join(_NOT_NEEDED.sub("", sheet) for sheet in sheets))

    def _kept(self, *key: str, build: Callable[[], str]) -> Bundle:
        found = self._bundles.get(key)
        if not found:
            content = build().encode()
            found = Bundle(content, gzip.compress(content, 9, mtime=0))
            if len(self._bundles) < _MAX_KEPT:
                self._bundles[key] = found
        return found

    def _script(self, locale: str, page: str, later: str) -> str:
        entries = _entries(page)
        is_known = locale in i18n.LOCALES and set(entries) <= set(self._scripts)
        name = f"{later}.js"
        if not is_known or (later and name not in self._bundler.later_scripts(entries)):
            raise NotFound("没有这个脚本，请刷新页面")

        def url_of(name: str) -> str:
            return self.address(locale, page, name)

        text = self._bundler.later(entries, name, url_of) if later else self._bundler.page(entries, url_of)
        return str(jsmin(i18n.script_in_english(text) if locale == "en" else text))


def _entries(page: str) -> list[str]:
    shell = [] if page in _WITHOUT_SHELL else ["ui/shell.js"]
    return shell if page == "shell" else [*shell, f"pages/{page}.js"]


def init_assets(app: Flask) -> None:
    """Register the asset routes, and the functions that give their URLs to templates."""
    bundle = AssetBundle(Path(app.root_path) / "static")
    app.extensions[_KEY] = bundle

    def template_urls() -> dict[str, Any]:
        locale = "en" if i18n.is_english() else "zh"

        def script_url(page: str) -> str:
            return bundle.address(locale, page or "shell")

        def preload_urls(page: str, modules: list[str]) -> list[str]:
            return bundle.preloads(locale, page, modules)

        def style_url(names: list[str]) -> str:
            return url_for("assets.style", version=bundle.version, names="+".join(names))

        return {"script_url": script_url, "preload_urls": preload_urls, "style_url": style_url}

    app.context_processor(template_urls)


@assets.get("/<version>/<locale>/<page>.js")
def script(version: str, locale: str, page: str) -> Response:
    """The script of a page."""
    return _answer(_bundle().script(locale, page), "text/javascript", version)


@assets.get("/<version>/<locale>/<page>/<path:later>.js")
def later_script(version: str, locale: str, page: str, later: str) -> Response:
    """A script that a page loads later.

    NotFound for another version, whose shared modules would run twice.
    """
    if version != _bundle().version:
        raise NotFound("程序更新过，这一页是旧的，请刷新页面")
    return _answer(_bundle().script(locale, page, later), "text/javascript", version)


@assets.get("/<version>/<names>.css")
def style(version: str, names: str) -> Response:
    """Style sheets concatenated in the given order."""
    return _answer(_bundle().style(names.split("+")), "text/css", version)


def _answer(bundle: Bundle, kind: str, version: str) -> Response:
    """Cacheable for a year under its version; the URL of another version gets the current text, uncached."""
    is_packed = request.accept_encodings.quality("gzip") > 0
    response = Response(bundle.packed if is_packed else bundle.content, mimetype=kind)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = _YEAR if version == _bundle().version else "no-store"
    return response


def _bundle() -> AssetBundle:
    bundle: AssetBundle = current_app.extensions[_KEY]
    return bundle


def _read(folder: Path, pattern: str) -> dict[str, str]:
    paths = sorted(folder.glob(pattern))
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}
