"""What a worker process tells the others, and the share of a model's concurrency that each of them has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.errors import Message

# "stopped": it claims nothing; "short": of disk space or OSS, so that others go first.
WorkerState = Literal["", "short", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """What one worker last said.

    under_way  its claimed records
    services   model id -> (when its service last refused or accepted the key, why it refused)
    slots      model id -> how many images it may have at the service until its next report
    problem    why it is stopped, or soon will be, as people read it
    settings   variable -> a digest of its value, of those that must be the same on all
    """

    under_way: int = 0
    services: Mapping[str, tuple[float, Message | None]] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    state: WorkerState = ""
    problem: Message | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def goes_first(self, model_id: str) -> int:
        """0: it can make images of the model; 1: only when no other can; 2: it cannot."""
        if self.state == "stopped":
            return 2
        _, refusal = self.services.get(model_id, (0.0, None))
        return 1 if self.state or refusal else 0


def list_differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The settings whose digests differ, of those that both versions of the program have."""
    return sorted(name for name in one.keys() & other.keys() if one[name] != other[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of one model: ``fair`` of its slots are for this worker, ``granted`` are free for it now."""

    fair: int
    granted: int


def fair_share(limit: int, owner: str, owners: Sequence[str]) -> int:
    """How many of ``limit`` slots this owner has among ``owners``; the first ones have one more."""
    if owner not in owners:
        return 0
    return limit // len(owners) + (sorted(owners).index(owner) < limit % len(owners))


def share_of(model_id: str, limit: int, owner: str, reports: Mapping[str, WorkerReport]) -> Share:
    """The share of this owner, one of ``reports``, which are those of all living workers.

    What another may still have at the service is not granted, so that all together never exceed ``limit``.
    """
    ranks = {each: report.goes_first(model_id) for each, report in reports.items()}
    first = min(ranks.values())
    fair = 0 if first == 2 else fair_share(limit, owner, [each for each in ranks if ranks[each] == first])
    taken = sum(report.slots.get(model_id, 0) for each, report in reports.items() if each != owner)
    return Share(fair=fair, granted=max(0, min(fair, limit - taken)))
