"""Bundle modules into one script, so that a page needs a handful of requests instead of fifty.

Text in, text out, without a build step. Each module becomes a function that is called once and returns
its exports:

    const $tsv = (() => { …; return { parseBlock, formatBlock }; })();

A lazily loaded module (``await import("./run.js")``) is a script of its own, which imports shared modules
from the page's script: no module runs twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from posixpath import dirname, join, normpath

_IMPORT = re.compile(r'^import (?:\{ ([^}]+) \} from )?"(\.[^"]+)";\n', re.MULTILINE)
_LAZY_IMPORT = re.compile(r'\bimport\("(\.[^"]+)"\)')
_EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)


class Bundler:
    """Bundles of a site's modules, made on demand; see the module docstring.

    modules  path below ``static/js`` -> source text
    address  (page, lazy module) -> URL of that script; "" is the page's own
    """

    def __init__(self, modules: Mapping[str, str], address: Callable[[str, str], str]) -> None:
        self._modules = modules
        self._address = address

    def page(self, page: str, entries: Iterable[str]) -> str:
        """The script of a page; ``entries`` run in this order.

        The last entry may await lazy scripts. It runs unawaited, because those import from this script.
        """
        *first, last = entries
        included = self._page_modules([*first, last])
        parts = [self._as_function(path, page) for path in included if path != last]
        names = ", ".join(_name(path) for path in included if path != last)
        run = f"(async () => {{\n{self._body(last, page)}\n}})();\n"
        return "".join(parts) + run + f"export {{ {names} }};\n"

    def lazy_chunk(self, page: str, entries: Iterable[str], module: str) -> str:
        """The script of a lazily loaded module; exports what ``module`` exports."""
        shared = self._page_modules(list(entries))
        included = [path for path in self._with_imports([module]) if path not in shared]
        needed = sorted({module, *(path for of in included for path in self._imports(of))} - set(included))
        head = f'import {{ {", ".join(map(_name, needed))} }} from "{self._address(page, "")}";\n'
        parts = [self._as_function(path, page) for path in included]
        exported = self._exports(module)
        tail = f"export const {{ {', '.join(exported)} }} = {_name(module)};\n"
        return (head if needed else "") + "".join(parts) + tail

    def lazy_modules(self, entries: Iterable[str]) -> list[str]:
        """The modules that a page with these entries may load lazily, directly or through lazy modules."""
        found: list[str] = []
        pending = list(entries)
        while pending:
            for path in self._with_imports([pending.pop()]):
                new = [lazy for lazy in self._lazy_imports(path) if lazy not in found]
                found += new
                pending += new
        return sorted(found)

    def _page_modules(self, entries: list[str]) -> list[str]:
        """The modules of the page's script: entries, their imports, and imports shared by lazy modules."""
        own = self._with_imports(entries)
        lazy = self.lazy_modules(entries)
        modules = [path for module in lazy for path in self._with_imports([module])]
        shared = [path for path in dict.fromkeys(modules) if modules.count(path) > 1]
        return self._with_imports(shared + [path for path in own if path not in entries] + entries)

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

    def _lazy_imports(self, path: str) -> list[str]:
        return [_resolve(path, target) for target in _LAZY_IMPORT.findall(self._modules[path])]

    def _exports(self, path: str) -> list[str]:
        return [name for _, name in _EXPORT.findall(self._modules[path])]

    def _as_function(self, path: str, page: str) -> str:
        exports = ", ".join(self._exports(path))
        return f"const {_name(path)} = (() => {{\n{self._body(path, page)}return {{ {exports} }};\n}})();\n"

    def _body(self, path: str, page: str) -> str:
        def import_to_const(found: re.Match[str]) -> str:
            if not found[1]:  # imported for what it does when it runs
                return ""
            names = found[1].replace(" as ", ": ")
            return f"const {{ {names} }} = {_name(_resolve(path, found[2]))};\n"

        def lazy_import(found: re.Match[str]) -> str:
            return f'import("{self._address(page, _resolve(path, found[1]))}")'

        text = _EXPORT.sub(r"\1 \2", self._modules[path])
        return _LAZY_IMPORT.sub(lazy_import, _IMPORT.sub(import_to_const, text))


def _resolve(path: str, target: str) -> str:
    return normpath(join(dirname(path), target))


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
