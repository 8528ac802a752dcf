"""Migration to 19 (PostgreSQL: 20): favourites without a choice are kept, and ``favourite`` says that."""

from app.db.connection import Connection

_STEPS = (
    "UPDATE generation_records SET pick = 'keep' WHERE favourite = 1 AND pick = ''",
    "UPDATE generation_records SET favourite = 1 WHERE favourite = 0 AND pick = 'keep'",
    "UPDATE generation_records SET favourite = 0 WHERE favourite = 1 AND pick <> 'keep'",
)


def upgrade(db: Connection, _report: object) -> None:
    """Make one mark of two; one that was rejected stays rejected."""
    for sql in _STEPS:
        db.execute(sql)
