"""Prompts cut into grams, so that an index of words answers as a true substring search would.

Both sides are folded by NFKC and casefold. Then every character begins one gram: two characters long where it
is Chinese, Japanese, Korean or a sign, three where it is a letter or digit. The grams of a term, one after
another, are a phrase that stands in exactly the prompts that hold the term; what is left over at its end is
the beginning of one more gram. So nothing has to be checked afterwards, but for terms that are very long.
"""

import unicodedata
from dataclasses import dataclass

from app.db.row_mapping import text_of

# Which folding an index was made with: another Unicode may fold otherwise, and then it is made anew.
NORMALISER = f"1/{unicodedata.unidata_version}"
_MOST_GRAMS = 24
_FIRST_WIDE = "\u2e80"


def _unused_sign(code: int) -> int:
    """For an ASCII sign or space, a character that no folded text holds, as NFKC turns it into another."""
    return code + 0xFEE0 if 0x21 <= code <= 0x7E else 0xFF61 + min(code, 0x3E)


# The tokenizer splits at ASCII signs and spaces; here they are parts of grams as any other character.
_SIGNS = {code: _unused_sign(code) for code in range(128) if not chr(code).isalnum()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A search term: ``folded``, its full-text ``expression``, and whether that alone settles every hit."""

    normalised: str
    expression: str
    is_exact: bool


def normalise(text: str | bytes) -> str:
    """The form in which letters, case and width are one and the same; NUL is no character."""
    if isinstance(text, bytes):  # another program wrote it so
        text = text_of(text)
    return unicodedata.normalize("NFKC", text).casefold().replace("\x00", "")


def contains(prompt: str | bytes | None, folded: str) -> bool:
    """Whether the prompt holds the folded term: what every search has to answer."""
    return folded in normalise(prompt or "")


def grams(prompt: str | bytes) -> str:
    """All grams of a prompt, in the order of their first characters, with spaces between."""
    text = normalise(prompt).translate(_SIGNS)
    return " ".join([_gram(text, at) for at in range(len(text))])


def read_term(search: str) -> Term | None:
    """What was typed -> the term, or None when there is nothing to look for.

    Halves of surrogate pairs become ``?``, as in the prompts that are kept.
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
