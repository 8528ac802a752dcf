"""Normalisation of texts with many combining marks."""

import random
import unicodedata
from collections.abc import Callable
from itertools import groupby

import pytest

from app.domain import file_key, has_too_many_marks, normal_text, normalised
from app.engine.ngrams import find_spans, grams, read_search
from app.images.filenames import safe_stem
from app.library.catalogue import folded

# Marks of different classes, whose order has to be changed; the last ones are no marks until decomposed.
MARKS = "\u0301\u0327\u0344\u3099\u0f71\u0f72\u05b0\U0001d165\uff9e\uff9f\u0f73\u0f81"
MANY = "\u0301\u0327" * 2_000


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The most marks that unicodedata.normalize had to put in order at once."""
    real, seen = unicodedata.normalize, [0]

    def normalize(form: str, text: str) -> str:
        parts = "".join(real("NFKD", character) for character in text)
        for is_mark, run in groupby(map(unicodedata.combining, parts), bool):
            marks = list(run)
            seen[0] = max(seen[0], len(marks) if is_mark and marks != sorted(marks) else 0)
        return real(form, text)  # type: ignore[arg-type]

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    return lambda: seen[0]


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_texts_are_normalised_as_unicode_says(form: str) -> None:
    letters = MARKS + "a一ガｶé가ﷺ ½。-" + "\u1100\u1161\u11a8"
    chance = random.Random(7)
    for length in (1, 5, 20, 40, 90) * 40:
        weights = [chance.random() ** 3 for _ in letters]
        text = "".join(chance.choices(letters, weights, k=length))
        assert normalised(form, text) == unicodedata.normalize(form, text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "normalise",
    [
        normal_text,
        folded,
        file_key,
        safe_stem,
        lambda text: grams([text]),
        lambda text: find_spans(text, ["a"]),
    ],
    ids=["short text", "library", "file key", "file name", "index", "marks of a hit"],
)
def test_marks_are_never_sorted_by_insertion(
    normalise: Callable[[str], object], longest: Callable[[], int]
) -> None:
    normalise(f"a{MANY}b")
    read_search(f"a{MANY}")
    assert longest() <= 33


def test_a_text_that_is_no_name_is_not_normalised() -> None:
    assert normal_text("ａ" * 10_001) == "ａ" * 10_001
    assert normal_text("ａ" * 10_000) == "a" * 10_000


@pytest.mark.parametrize("mark", MARKS[:-4])
def test_thirty_marks_in_a_row_are_accepted_and_more_are_not(mark: str) -> None:
    size = len(unicodedata.normalize("NFKD", mark))
    assert not has_too_many_marks("a" + mark * (30 // size) + "b" + mark * (30 // size))
    assert has_too_many_marks("a" + mark * (30 // size + 1))


def test_signs_in_a_row_are_no_marks() -> None:
    assert not has_too_many_marks("—" * 100 + "。" * 100 + "👍🏽" * 100)
