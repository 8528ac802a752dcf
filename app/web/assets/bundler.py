"""Bundle modules into one script, so that a page needs a handful of requests instead of fifty.

Text in, text out, without a build step: only comments and indentation are removed from the files in
``static/js``. Each module becomes a function that is called once and returns its exports:

    const $tsv = (() => { …; return { parseBlock, formatBlock }; })();

A lazily loaded module (``await import("./run.js")``) is a script of its own, which imports shared modules
from the page's script: no module runs twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from posixpath import dirname, join, normpath

_IMPORT = re.compile(r'^import \{ ([^}]+) \} from "(\.[^"]+)";\n', re.MULTILINE)
_LAZY_IMPORT = re.compile(r'\bimport\("(\.[^"]+)"\)')
_NOT_NEEDED = re.compile(  # comments on their own lines, those after code, indentation, empty lines
    r"^ *(?://.*|/\*\*[^*]*(?:\*[^*/][^*]*)*\*/)\n|(?<=[;{},(]) +// [^\"'`\n]*$|^ +|^\n", re.MULTILINE
)
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
        inside = self._page_modules([*first, last])
        parts = [self._as_function(path, page) for path in inside if path != last]
        names = ", ".join(_name(path) for path in inside if path != last)
        run = f"(async () => {{\n{self._body(last, page)}}})();\n"
        return "".join(parts) + run + f"export {{ {names} }};\n"

    def lazy_chunk(self, page: str, entries: Iterable[str], module: str) -> str:
        """The script of a lazily loaded module; exports what ``module`` exports."""
        shared = self._page_modules(list(entries))
        inside = [path for path in self._with_imports([module]) if path not in shared]
        needed = sorted({module, *(path for of in inside for path in self._imports(of))} - set(inside))
        head = f'import {{ {", ".join(map(_name, needed))} }} from "{self._address(page, "")}";\n'
        parts = [self._as_function(path, page) for path in inside]
        exported = self._exports(module)
        tail = f"export const {{ {', '.join(exported)} }} = {_name(module)};\n"
        return (head if needed else "") + "".join(parts) + tail

    def late_modules(self, entries: Iterable[str]) -> list[str]:
        """The modules that a page with these entries may load lazily, directly or through lazy modules."""
        found: list[str] = []
        waiting = list(entries)
        while waiting:
            for path in self._with_imports([waiting.pop()]):
                new = [late for late in self._lazy_imports(path) if late not in found]
                found += new
                waiting += new
        return sorted(found)

    def _page_modules(self, entries: list[str]) -> list[str]:
        """The modules of the page's script: entries, their imports, and imports shared by lazy modules."""
        own = self._with_imports(entries)
        late = self.late_modules(entries)
        modules = [path for module in late for path in self._with_imports([module])]
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
        def take(found: re.Match[str]) -> str:
            names = found[1].replace(" as ", ": ")
            return f"const {{ {names} }} = {_name(_resolve(path, found[2]))};\n"

        def load(found: re.Match[str]) -> str:
            return f'import("{self._address(page, _resolve(path, found[1]))}")'

        text = _EXPORT.sub(r"\1 \2", _NOT_NEEDED.sub("", self._modules[path]))
        return _LAZY_IMPORT.sub(load, _IMPORT.sub(take, text))


def _resolve(path: str, target: str) -> str:
    return normpath(join(dirname(path), target))


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path.removesuffix(".js"))
