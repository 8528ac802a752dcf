"""Bundle modules into one script, so that a page needs a handful of requests instead of fifty.

Text in, text out, without a build step. Each module becomes a function that is called once and returns
its exports:

    const $tsv = (() => { …; return { parseBlock, formatBlock }; })();

A page may import modules later (``await import("../table/late.js")``). Each of these is a script of its own,
which imports what both need from the page's script. Two of them share nothing else: no module runs twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from posixpath import dirname, join, normpath

_IMPORT = re.compile(r'^import (?:\{ ([^}]+) \} from )?"(\.[^"]+)";\n', re.MULTILINE)
_LATE_IMPORT = re.compile(r'\bimport\("(\.[^"]+)"\)')
_EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)


class Bundler:
    """The scripts of a site's pages, made from its modules; see the module docstring.

    modules  path below ``static/js`` -> source text
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def page(self, entries: Iterable[str], late_url: Callable[[str], str]) -> str:
        """The script of a page; ``entries`` run in this order. ``late_url`` gives the URL of a late module.

        The last entry may await a late script. It runs unawaited, as that one imports from this script.
        """
        *included, last = self._with_imports(entries)
        parts = {path: self._as_function(path) for path in included}
        parts[last] = f"(async () => {{\n{self._body(last)}}})();\n"
        text = "".join(self._with_late_urls(path, part, late_url) for path, part in parts.items())
        return text + f"export {{ {', '.join(map(_name, included))} }};\n"

    def late(self, entries: Iterable[str], module: str, page_url: str) -> str:
        """The script of a late module, with its exports. The script of the page is at ``page_url``."""
        shared = self._with_imports(entries)
        included = [path for path in self._with_imports([module]) if path not in shared]
        needed = sorted({path for of in included for path in self._imports(of)} - set(included))
        head = f'import {{ {", ".join(map(_name, needed))} }} from "{page_url}";\n'
        parts = [self._as_function(path) for path in included]
        return "".join([head, *parts, f"export const {{ {self._exports(module)} }} = {_name(module)};\n"])

    def late_modules(self, entries: Iterable[str]) -> list[str]:
        """The modules that the page with these entries imports later."""
        paths = self._with_imports(entries)
        found = (_resolve(path, to) for path in paths for to in _LATE_IMPORT.findall(self._modules[path]))
        return list(dict.fromkeys(found))

    @staticmethod
    def _with_late_urls(path: str, text: str, late_url: Callable[[str], str]) -> str:
        """The text of a module, with URLs in its late imports."""
        return _LATE_IMPORT.sub(lambda found: f'import("{late_url(_resolve(path, found[1]))}")', text)

    def _with_imports(self, paths: Iterable[str]) -> list[str]:
        """These modules and all their imports, dependencies first."""
        order: dict[str, None] = {}

        def visit(path: str) -> None:
            if path not in order:
                for needed in self._imports(path):
                    visit(needed)
                order[path] = None

        for path in paths:
            visit(path)
        return list(order)

    def _imports(self, path: str) -> list[str]:
        return [_resolve(path, target) for _, target in _IMPORT.findall(self._modules[path])]

    def _exports(self, path: str) -> str:
        return ", ".join(name for _, name in _EXPORT.findall(self._modules[path]))

    def _as_function(self, path: str) -> str:
        body = f"{self._body(path)}return {{ {self._exports(path)} }};"
        return f"const {_name(path)} = (() => {{\n{body}\n}})();\n"

    def _body(self, path: str) -> str:
        def import_to_const(found: re.Match[str]) -> str:
            if not found[1]:  # imported for what it does when it runs
                return ""
            names = found[1].replace(" as ", ": ")
            return f"const {{ {names} }} = {_name(_resolve(path, found[2]))};\n"

        return _IMPORT.sub(import_to_const, _EXPORT.sub(r"\1 \2", self._modules[path]))


def _resolve(path: str, target: str) -> str:
    return normpath(join(dirname(path), target))


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
