"""The English catalogue: the Chinese sentences of the app, many with placeholders, and their translations.

A placeholder ``{n}`` takes a value unchanged. In English it may also select a plural,
``{n:picture|pictures}``, translate the value, ``{0:told}``, or translate a list joined by 、, ``{0:list}``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babel.messages.pofile import read_po

GAP = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_OPTION = re.compile(r":(?:told|list)\}")  # only for sentences matched by their text
_LETTERS = re.compile("[\u4e00-\u9fff]")
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_CACHE_SIZE = 4096  # sentences; a page of records repeats the same few


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A sentence with placeholders: the text between them, their names, the English sentence."""

    words: tuple[str, ...]
    names: tuple[str, ...]
    english: str

    def match(self, sentence: str) -> dict[str, str] | None:
        """The values of the placeholders, or None. Never backtracks, so its time is linear."""
        first, *middle, last = self.words
        end = len(sentence) - len(last)
        at = len(first)
        if end < at or not sentence.startswith(first) or not sentence.endswith(last):
            return None
        values = []
        for words in middle:
            found = sentence.find(words, at, end)
            if found < 0:
                return None
            values.append(sentence[at:found])
            at = found + len(words)
        return dict(zip(self.names, [*values, sentence[at:end]], strict=True))


class Catalogue:
    """The translations of one language."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            entries = [message for message in read_po(file, locale="en") if message.id]
        self.words: dict[str, str] = {str(entry.id): _OPTION.sub("}", str(entry.string)) for entry in entries}
        self._in_scripts = {
            str(entry.id): str(entry.string)
            for entry in entries
            if any(place.endswith(".js") for place, _ in entry.locations)
        }
        from_python = [entry for entry in entries if any(p.endswith(".py") for p, _ in entry.locations)]
        patterns = [
            _pattern(str(entry.id), str(entry.string)) for entry in from_python if GAP.search(str(entry.id))
        ]
        self._patterns = sorted(patterns, key=lambda pattern: -sum(map(len, pattern.words)))
        self._cached_find = lru_cache(_CACHE_SIZE)(self._find)

    def told(self, sentence: str) -> str:
        """Translate a complete sentence; text that is not in the catalogue is returned unchanged."""
        return self._cached_find(sentence) if _CHINESE.search(sentence) else sentence

    def script(self, text: str) -> str:
        """Translate the sentences of a script, which are literals in double quotes."""
        for chinese, english in self._in_scripts.items():
            text = text.replace(_quoted(chinese), _quoted(english))
        return text

    def _find(self, sentence: str) -> str:
        known = self.words.get(sentence)
        if known:
            return known
        for pattern in self._patterns:
            values = pattern.match(sentence)
            if values is not None and self._is_certain(pattern, values):
                return _translated(pattern.english, values, self.told)
        return sentence

    def _is_certain(self, pattern: _Pattern, values: Mapping[str, str]) -> bool:
        """Whether the match is certain: one of punctuation only, ``{0}：{1}``, needs translatable values."""
        if _LETTERS.search("".join(pattern.words)):
            return True
        within = [values[name] for name, option in GAP.findall(pattern.english) if option == "told"]
        return not any(_CHINESE.search(text) and self.told(text) == text for text in within)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _translated(english: str, values: Mapping[str, str], told: Callable[[str], str]) -> str:
    """The English sentence with the values of a match; the options translate a value."""

    def put(gap: re.Match[str]) -> str:
        name, option = gap.groups()
        value = values[name]
        if option == "told":
            return told(value)
        if option == "list":
            return ", ".join(told(part) for part in value.split("、"))
        one, _, many = (option or f"{value}|{value}").partition("|")
        return one if value == "1" else many

    return GAP.sub(put, english)


def _pattern(chinese: str, english: str) -> _Pattern:
    """Parse an entry; a Chinese sentence has placeholders without options only."""
    parts = re.split(r"\{(\w+)\}", chinese)
    return _Pattern(words=tuple(parts[::2]), names=tuple(parts[1::2]), english=english)
