"""What is known of the pictures of a row: which of them count as bought."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.records import Status
from app.domain.row_fields import MAX_PICTURES_A_ROW

# As many as a row may ask for; equal rows may have been made thousands of times.
KNOWN_PICTURES_A_NUMBER = MAX_PICTURES_A_ROW


class Standing(StrEnum):
    """What is known of a picture. All but TRASHED count as bought; CHARGED is a failure that was charged."""

    MADE = "made"
    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"
    CHARGED = "charged"
    TRASHED = "trashed"


def standing_of(status: Status, *, is_trashed: bool, is_charged: bool) -> Standing | None:
    """What is known of a record's picture; None when it ended without one and without a charge."""
    match status:
        case Status.HELD | Status.QUEUED | Status.RUNNING:
            return Standing.UNDER_WAY
        case Status.UNKNOWN:  # in the trash too: its charge is open
            return Standing.UNKNOWN
        case Status.SUCCESS:
            return Standing.TRASHED if is_trashed else Standing.MADE
    return Standing.CHARGED if is_charged and not is_trashed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPicture:
    """A picture of a row; ``id`` is its record's, or -n for the n-th picture that the same plan orders."""

    id: int
    number: int
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row with pictures that were not ordered, and the records that have them."""

    row: int
    records: list[int]
