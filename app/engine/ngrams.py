"""N-gram tokenizer: a full-text index of words that answers exact substring searches.

Texts and terms are normalised by NFKC and casefold. Every character starts one gram: two characters long
for wide characters (Chinese, Japanese, Korean, signs), three for others. A term becomes a phrase of its
grams, which matches exactly the texts that contain it; a remainder at the end becomes a prefix query. Only
terms of more than 24 grams need a check of each hit. Fields are joined by NUL, which no term contains.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from app.domain import has_too_many_marks, normalised, unix_line_ends
from app.engine.values import text_of

# Version of the index entries; an index made with another one, or another Unicode version, is rebuilt.
NORMALISER = f"2/{unicodedata.unidata_version}"
BETWEEN = "\x00"
_MOST_GRAMS = 24
_MOST_WORDS = 16  # in an expression; FTS5 allows a depth of 256
_FIRST_WIDE = "\u2e80"

# The FTS5 tokenizer splits at ASCII signs and spaces; substitutes, which NFKC-normalised text cannot contain,
# keep them inside grams.
_SIGNS = {
    code: code + 0xFEE0 if 0x21 <= code <= 0x7E else 0xFF61 + min(code, 0x3E)
    for code in range(128)
    if not chr(code).isalnum()
}
_SIGN_OF_NUL = chr(_SIGNS[0])
SEPARATOR = _SIGN_OF_NUL  # of the texts of a document


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSearch:
    """Normalised words that must all occur, their FTS5 ``expression``, and whether that matches exactly.

    ``pieces`` are those of the words by which a document of ``record_search`` is found on PostgreSQL.
    """

    words: tuple[str, ...]
    expression: str
    is_exact: bool
    pieces: tuple[str, ...]


def normalise(text: str | bytes | None) -> str:
    """Normalise by NFKC and casefold, without NUL."""
    if isinstance(text, bytes):  # written by another program
        text = text_of(text)
    return normalised("NFKC", text or "").casefold().replace("\x00", "")


def own_values(own_columns: str | bytes | None) -> list[str]:
    """The texts in a JSON object of own columns; empty when it is not one."""
    with suppress(ValueError, RecursionError):
        columns = json.loads(own_columns or "{}")
        if isinstance(columns, dict):
            return [value if isinstance(value, str) else json.dumps(value) for value in columns.values()]
    return []


def matches(words: str, prompt: str | bytes | None, *others: str | bytes | None) -> bool:
    """Whether each of the words, separated by NUL, is in one of these fields: the reference for every search.

    The last of the other fields is the JSON of the own columns.
    """
    texts = (prompt, *others[:-1], *own_values(others[-1])) if others else (prompt,)
    document = BETWEEN.join(map(normalise, texts))
    return all(word in document for word in words.split(BETWEEN))


def grams(texts: Iterable[str | bytes | None]) -> str:
    """All grams of the texts in order, separated by spaces."""
    document = BETWEEN.join(filter(None, map(normalise, texts))).translate(_SIGNS)
    return " ".join([_gram(document, at) for at in range(len(document))])


def document(prompt: str | None, others: Iterable[str | None]) -> str:
    """The normalised texts as one, which begins with the prompt; no text contains what separates them."""
    return SEPARATOR.join(map(normalise, (prompt, *others)))


def piece_code(piece: str) -> int:
    """A piece of up to three characters as ``grams`` in schema_postgres.sql encodes it."""
    first, second, third = [*map(ord, piece), 0, 0][:3]
    return first << 42 | second << 21 | third


def tag(name: str, value: object) -> str:
    """A word of the index for an exact value; no text contains it, since NUL's substitute begins it."""
    return f"{_SIGN_OF_NUL}{name}{str(value).encode('utf-8', 'surrogatepass').hex()}"


def read_search(search: str, *, every_word: bool = False) -> TextSearch | None:
    """Parse user input -> the search for the whole text or for every word; None when it is empty.

    Lone surrogates and line ends become what they are in stored prompts.
    """
    folded = normalise(unix_line_ends(search).encode("utf-8", "replace").decode("utf-8"))
    words = tuple(dict.fromkeys(folded.split())) if every_word else (folded,) if folded else ()
    if not words:
        return None
    terms = [_phrase(word) for word in words[:_MOST_WORDS]]
    return TextSearch(
        words=words,
        expression=" AND ".join(expression for expression, _ in terms),
        is_exact=len(words) <= _MOST_WORDS and all(is_exact for _, is_exact in terms),
        pieces=tuple(dict.fromkeys(piece for word in words[:_MOST_WORDS] for piece in _pieces(word))),
    )


def find_spans(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Where normalised words occur in a text -> (start, end) in the text, ascending, without overlaps."""
    parts = _normalised_parts(text)
    document = "".join(folded for _, _, folded in parts)
    origins = [(start, end) for start, end, folded in parts for _ in folded]
    spans: list[tuple[int, int]] = []
    for start, end in sorted(_occurrences(document, words)):
        first, last = origins[start][0], origins[end - 1][1]
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return spans


def _occurrences(document: str, words: Iterable[str]) -> Iterator[tuple[int, int]]:
    for word in words:
        at = document.find(word)
        while at >= 0:
            yield at, at + len(word)
            at = document.find(word, at + len(word))


def _normalised_parts(text: str) -> list[tuple[int, int, str]]:
    """(start, end, normalised text) of parts that are normalised independently: mostly single characters."""
    whole, folded = normalise(text), {character: normalise(character) for character in set(text)}
    if whole == "".join(map(folded.__getitem__, text)):
        return [(at, at + 1, folded[character]) for at, character in enumerate(text)]
    if has_too_many_marks(text):  # one part might be as long as the text
        return []
    parts, start = [], 0
    for at in range(1, len(text) + 1):
        if at == len(text) or _are_independent(text[start:at], text[at]):
            parts.append((start, at, normalise(text[start:at])))
            start = at
    return parts if whole == "".join(folded for _, _, folded in parts) else []


def _are_independent(before: str, character: str) -> bool:
    folded = normalise(character)
    is_mark = unicodedata.combining(folded[:1] or character) != 0  # such as a halfwidth voiced sound mark
    return not is_mark and normalise(before + character) == normalise(before) + folded


def _phrase(word: str) -> tuple[str, bool]:
    """(FTS5 expression of a normalised term, whether it matches exactly)."""
    text = word.translate(_SIGNS)
    whole = [at for at in range(len(text)) if at + _width(text[at]) <= len(text)]
    covered = max((at + _width(text[at]) for at in whole), default=0)
    found = [_gram(text, at) for at in whole[:_MOST_GRAMS]]
    is_settled = len(whole) <= _MOST_GRAMS
    begun = is_settled and covered < len(text)
    if begun:
        found.append(text[len(whole) :])
    return f'"{" ".join(found)}"{" *" if begun else ""}', is_settled


def _pieces(word: str) -> Iterator[str]:
    """The grams of a normalised word, to the first that reaches its end; a text with the word has them."""
    for at in range(min(len(word), _MOST_GRAMS)):
        yield _gram(word, at)
        if at + _width(word[at]) >= len(word):
            return


def _gram(text: str, at: int) -> str:
    return text[at : at + _width(text[at])]


def _width(character: str) -> int:
    return 2 if character >= _FIRST_WIDE else 3
