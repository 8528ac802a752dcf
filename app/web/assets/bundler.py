"""Bundle modules into one script, so that a page needs a handful of requests instead of fifty.

Text in, text out, without a build step. Each module becomes a function that is called once and returns
its exports:

    const $tsv = (() => { …; return { parseBlock, formatBlock }; })();

A module may import others later (``await import("../table/sets.js")``), and these as well. They come in
scripts of their own, which import from the page's script what it holds; what several of them need is a script
too. So no module runs twice. A later import goes through ``load(import(url))`` of ``core/lazy.js``, which
gives its errors words.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from posixpath import dirname, join, normpath

_IMPORT = re.compile(r'^import (?:\{ ([^}]+) \} from )?"(\.[^"]+)";\n', re.MULTILINE)
_LATE_IMPORT = re.compile(r'\bimport\("(\.[^"]+)"\)')
_EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
_LOADER = "core/lazy.js"


class Bundler:
    """The scripts of a site's pages, made from its modules; see the module docstring.

    modules  path below ``static/js`` -> source text
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules
        self._later_imports, self._imports = dict[str, list[str]](), dict[str, list[str]]()
        for path, text in modules.items():
            later = [_resolve(path, target) for target in _LATE_IMPORT.findall(text)]
            direct = [_resolve(path, target) for _, target in _IMPORT.findall(text)]
            self._later_imports[path] = later
            self._imports[path] = [_LOADER, *direct] if later else direct
        self._known: dict[tuple[str, ...], dict[str, list[str]]] = {}  # entries -> their later scripts

    def page(self, entries: Iterable[str], url_of: Callable[[str], str]) -> str:
        """The script of a page; ``entries`` run in this order. ``url_of`` gives the URL of a later script.

        The last entry may await a later script. It runs unawaited, as that one imports from this script.
        """
        entries = list(entries)
        *included, last = self._with_imports(entries)
        parts = {path: self._as_function(path) for path in included}
        parts[last] = f"(async () => {{\n{self._body(last)}}})();\n"
        return self._script(parts, included, self._urls(entries, url_of))

    def later(self, entries: Iterable[str], name: str, url_of: Callable[[str], str]) -> str:
        """One of the later scripts of a page, whose own script is at ``url_of("")``."""
        entries = list(entries)
        included = self.later_scripts(entries)[name]
        urls = self._urls(entries, url_of)
        needed: dict[str, list[str]] = {}
        targets = {target for path in included for target in self._imports[path]}
        for target in sorted(targets - set(included)):
            needed.setdefault(urls[target], []).append(_name(target))
        head = "".join(f'import {{ {", ".join(names)} }} from "{url}";\n' for url, names in needed.items())
        return head + self._script({path: self._as_function(path) for path in included}, included, urls)

    def later_scripts(self, entries: Iterable[str]) -> dict[str, list[str]]:
        """The later scripts of a page, by a module of each -> its modules, dependencies first.

        One script holds what the same modules need that are imported later, unless it is there by then.
        """
        entries = tuple(entries)
        if entries not in self._known:
            self._known[entries] = self._later_scripts(entries)
        return self._known[entries]

    def _later_scripts(self, entries: tuple[str, ...]) -> dict[str, list[str]]:
        needs = self._needs(entries)
        loaded = self._loaded_before(needs)
        scripts: dict[tuple[str, ...], list[str]] = {}
        for path in self._with_imports(name for name in needs if name):
            users = [name for name, paths in needs.items() if path in paths and path not in loaded[name]]
            if path not in needs[""]:
                scripts.setdefault(tuple(users), []).append(path)
        return {paths[-1]: paths for paths in scripts.values()}

    def _needs(self, entries: Iterable[str]) -> dict[str, set[str]]:
        """Each module that is imported later -> it and its imports; ``""`` -> those of the page's script."""
        reached = self._with_imports(entries)
        needs = {"": set(reached)}
        for path in reached:
            for target in self._later_imports[path]:
                if target not in needs:
                    needs[target] = set(self._with_imports([target]))
                    reached += [needed for needed in self._with_imports([target]) if needed not in reached]
        return needs

    def _loaded_before(self, needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """Each module that is imported later -> the modules that are there whenever it is imported."""
        importers = {
            module: [
                name for name in needs if any(module in self._later_imports[path] for path in needs[name])
            ]
            for module in needs
            if module
        }
        everything = set().union(*needs.values())
        loaded = {module: everything if module else set[str]() for module in needs}
        for _ in needs:  # longer than any chain of imports
            for module, names in importers.items():
                loaded[module] = set.intersection(*(needs[name] | loaded[name] for name in names))
        return loaded

    def needed_for(self, entries: Iterable[str], module: str) -> list[str]:
        """The later scripts of a page that are loaded when it imports a module."""
        paths = set(self._with_imports([module]))
        return [name for name, held in self.later_scripts(entries).items() if paths.intersection(held)]

    def _urls(self, entries: list[str], url_of: Callable[[str], str]) -> dict[str, str]:
        """Module -> the URL of the script of a page that holds it."""
        urls = dict.fromkeys(self._with_imports(entries), url_of(""))
        scripts = self.later_scripts(entries).items()
        return urls | {path: url_of(name) for name, held in scripts for path in held}

    def _script(self, parts: Mapping[str, str], exported: list[str], urls: Mapping[str, str]) -> str:
        def with_urls(path: str, part: str) -> str:
            def late_import(found: re.Match[str]) -> str:
                target = _resolve(path, found[1])
                loading = f'{_name(_LOADER)}.load(import("{urls[target]}"))'
                return f"{loading}.then((script) => script.{_name(target)})"

            return _LATE_IMPORT.sub(late_import, part)

        text = "".join(with_urls(path, part) for path, part in parts.items())
        return text + f"export {{ {', '.join(map(_name, exported))} }};\n"

    def _with_imports(self, paths: Iterable[str]) -> list[str]:
        """These modules and all their imports, dependencies first."""
        order: dict[str, None] = {}

        def visit(path: str) -> None:
            if path not in order:
                for needed in self._imports[path]:
                    visit(needed)
                order[path] = None

        for path in paths:
            visit(path)
        return list(order)

    def _as_function(self, path: str) -> str:
        exports = ", ".join(name for _, name in _EXPORT.findall(self._modules[path]))
        body = f"{self._body(path)}return {{ {exports} }};"
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
