"""The tokens of a page for browsers that are older than ``light-dark()``, as the one inside WeChat may be."""

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"^ *(--[\w-]+): ([^;]+);", re.MULTILINE)
_USED = re.compile(r"var\((--[\w-]+)")
_THEMED = re.compile(r"light-dark\(((?:[^(),]|\([^()]*\))+), ((?:[^(),]|\([^()]*\))+)\)")


def plain_tokens(tokens: str, sheets: Iterable[str]) -> str:
    """What these sheets use of the first block of ``tokens.css``: it follows the theme of the phone."""
    order, _, rest = tokens.partition("@layer tokens {")
    values = dict(_TOKEN.findall(rest.partition("\n  }")[0]))
    used = dict.fromkeys(_USED.findall("".join(sheets)))
    for name in (queue := list(used)):
        needed = _USED.findall(values.get(name, ""))
        queue += [other for other in needed if other not in used]
        used |= dict.fromkeys(needed)
    kept = {name: value for name, value in values.items() if name in used}
    dark = {name: _THEMED.sub(r"\2", value) for name, value in kept.items() if "light-dark(" in value}
    light = _block({name: _THEMED.sub(r"\1", value) for name, value in kept.items()})
    return f"""{order}@layer tokens {{
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_block(dark)} }} }}
}}
"""


def _block(values: dict[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in values.items())
