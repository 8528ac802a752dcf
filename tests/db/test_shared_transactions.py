"""Writers that share the lock on PostgreSQL: workers beside workers, nobody beside an exclusive one."""

import pytest

import database
from app.db.connection import Connection, transaction
from app.errors import WriteRefused

pytestmark = pytest.mark.postgres
CHANGE = "UPDATE change_counter SET value = value + 1"


def test_shared_writers_run_beside_each_other(db: Connection, other: Connection) -> None:
    before = database.last_version(db)
    with transaction(db, shared=True):
        db.execute("DELETE FROM login_attempts")
        with transaction(other, shared=True, wait=0):
            assert db.is_shared
            assert other.is_shared
            other.execute(CHANGE)
        assert not other.is_shared
    assert not db.is_shared
    assert database.last_version(db) == before + 1


@pytest.mark.parametrize("first", [True, False])
def test_an_exclusive_writer_runs_beside_nobody(db: Connection, other: Connection, *, first: bool) -> None:
    with (
        transaction(db, shared=first),
        pytest.raises(WriteRefused),
        transaction(other, shared=not first, wait=0.01),
    ):
        raise AssertionError
    with transaction(other):
        assert not other.is_shared
