"""Fingerprints of rows: which records are pictures of an equal row, and which pictures are still missing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.references import DIGEST_LENGTH, SampleImage
from app.domain.requests import ImageRequest
from app.domain.validation import MAX_PICTURES_A_ROW

FINGERPRINT_LENGTH = 32  # hexadecimal digits
# As many as a row may ask for; equal rows may have been made thousands of times.
KNOWN_PICTURES_A_NUMBER = MAX_PICTURES_A_ROW


class Standing(StrEnum):
    """What is known of a picture. All but TRASHED count as bought; CHARGED is a failure that was charged."""

    MADE = "made"
    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"
    CHARGED = "charged"
    TRASHED = "trashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPicture:
    """A picture of a row; ``id`` is its record's, or -n for the n-th picture that the same plan orders."""

    id: int
    number: int
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """The picture numbers to order for a row, and the pictures that equal rows have already.

    ``same_as`` is the index of the first equal row of the plan; None for that row itself.
    """

    fingerprint: str
    numbers: tuple[int, ...]
    known: tuple[KnownPicture, ...]
    same_as: int | None

    def ids(self, *standings: Standing) -> list[int]:
        """The ids of the known pictures of these standings."""
        return [picture.id for picture in self.known if picture.standing in standings]

    @property
    def bought(self) -> list[int]:
        """The ids of the pictures that need not be ordered again."""
        return [picture.id for picture in self.known if picture.standing is not Standing.TRASHED]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row with pictures that were not ordered, and the records that have them."""

    row: int
    records: list[int]


def fingerprint(request: ImageRequest) -> str:
    """The fingerprint of a row, equal for requests that ask the same of the same model.

    File name and number of pictures do not count, references count by content where it is known.
    ``request`` must have the id of its model, and be without the fields that the model ignores.
    """
    asked = (
        *(request.model, request.prompt, request.negative_prompt, request.aspect_ratio, request.resolution),
        *(request.seed, request.steps, *map(_content, request.sample_images)),
        *([request.options] if request.options else ()),
    )
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:FINGERPRINT_LENGTH]


def _content(image: SampleImage) -> str:
    """The first digits of the hash, which every pinned form has; else the ETag or the URL."""
    return image.sha256[:DIGEST_LENGTH] or image.etag or image.url


def plan_rows(
    requests: Sequence[ImageRequest],
    fingerprints: Sequence[str],
    known: Mapping[str, Sequence[KnownPicture]],
    skips: Sequence[bool],
) -> list[RowPlan]:
    """What to order for each row: only missing pictures where ``skips``, else all of them.

    ``known`` are the recorded pictures by fingerprint. Pictures ordered for a row count for later equal rows,
    at most KNOWN_PICTURES_A_NUMBER of a picture number.
    """
    pictures = {each: list(recorded) for each, recorded in known.items()}
    first: dict[str, int] = {}
    plans: list[RowPlan] = []
    ordered = 0
    for index, (request, key, skip) in enumerate(zip(requests, fingerprints, skips, strict=True)):
        equal = pictures.setdefault(key, [])
        found = _pictures_of(request, equal) if skip else ()
        numbers = missing_numbers(request, found)
        same_as = first.setdefault(key, index)
        plans.append(
            RowPlan(
                fingerprint=key,
                numbers=numbers,
                known=found,
                same_as=None if same_as == index else same_as,
            )
        )
        for number in numbers:
            ordered += 1
            if _bought_numbers(equal).count(number) < KNOWN_PICTURES_A_NUMBER:
                equal.append(KnownPicture(id=-ordered, number=number, standing=Standing.UNDER_WAY))
    return plans


def _pictures_of(request: ImageRequest, equal: Sequence[KnownPicture]) -> tuple[KnownPicture, ...]:
    """The known pictures that this row asks for; with a seed, those of its own picture numbers."""
    if request.seed is None:
        return tuple(equal)
    return tuple(picture for picture in equal if picture.number <= request.num_images)


def missing_numbers(
    request: ImageRequest, known: Sequence[KnownPicture], numbers: Sequence[int] = ()
) -> tuple[int, ...]:
    """The picture numbers to order so that the row has all it asks for: ``numbers``, or 1, 2, …

    With a seed every number is a picture of its own; without one any bought picture counts.
    """
    bought = _bought_numbers(known)
    asked = numbers or range(1, request.num_images + 1)
    free = [number for number in asked if number not in bought]
    if request.seed is None:
        del free[max(len(asked) - len(bought), 0) :]
    return tuple(free)


def _bought_numbers(known: Sequence[KnownPicture]) -> list[int]:
    return [picture.number for picture in known if picture.standing is not Standing.TRASHED]
