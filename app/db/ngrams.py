"""N-gram tokenizer: a full-text index of words that answers exact substring searches.

Prompts and terms are normalised by NFKC and casefold. Every character starts one gram: two characters long
for wide characters (Chinese, Japanese, Korean, signs), three for others. A term becomes a phrase of its
grams, which matches exactly the prompts that contain it; a remainder at the end becomes a prefix query. Only
terms of more than 24 grams need a check of each hit.
"""

import unicodedata
from dataclasses import dataclass

from app.db.row_mapping import text_of

# Version of the normalisation; an index made with another Unicode version is rebuilt.
NORMALISER = f"1/{unicodedata.unidata_version}"
_MOST_GRAMS = 24
_FIRST_WIDE = "\u2e80"


def _unused_sign(code: int) -> int:
    """A substitute for an ASCII sign or space that NFKC-normalised text cannot contain."""
    return code + 0xFEE0 if 0x21 <= code <= 0x7E else 0xFF61 + min(code, 0x3E)


# The FTS5 tokenizer splits at ASCII signs and spaces; substitutes keep them inside grams.
_SIGNS = {code: _unused_sign(code) for code in range(128) if not chr(code).isalnum()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A search term: ``normalised``, its FTS5 ``expression``, and whether that matches exactly."""

    normalised: str
    expression: str
    is_exact: bool


def normalise(text: str | bytes) -> str:
    """Normalise by NFKC and casefold, without NUL."""
    if isinstance(text, bytes):  # written by another program
        text = text_of(text)
    return unicodedata.normalize("NFKC", text).casefold().replace("\x00", "")


def contains(prompt: str | bytes | None, folded: str) -> bool:
    """Whether the prompt contains the normalised term: the reference for every search."""
    return folded in normalise(prompt or "")


def grams(prompt: str | bytes) -> str:
    """All grams of a prompt in text order, separated by spaces."""
    text = normalise(prompt).translate(_SIGNS)
    return " ".join([_gram(text, at) for at in range(len(text))])


def read_term(search: str) -> Term | None:
    """Parse user input -> the term, or None when it is empty.

    Lone surrogates become ``?``, as in stored prompts.
    """
    folded = normalise(search.encode("utf-8", "replace").decode("utf-8"))
    if not folded:
        return None
    text = folded.translate(_SIGNS)
    whole = [at for at in range(len(text)) if at + _width(text[at]) <= len(text)]
    covered = max((at + _width(text[at]) for at in whole), default=0)
    found = [_gram(text, at) for at in whole[:_MOST_GRAMS]]
    is_settled = len(whole) <= _MOST_GRAMS
    begun = is_settled and covered < len(text)
    if begun:
        found.append(text[len(whole) :])
    return Term(
        normalised=folded, expression=f'"{" ".join(found)}"{" *" if begun else ""}', is_exact=is_settled
    )


def _gram(text: str, at: int) -> str:
    return text[at : at + _width(text[at])]


def _width(character: str) -> int:
    return 2 if character >= _FIRST_WIDE else 3
