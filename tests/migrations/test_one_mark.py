"""One mark: a favourite of earlier versions is a record that is kept."""

import database
from app.config import Settings
from tests.migrations.earlier_stores import make_unreleased


def test_favourites_of_earlier_versions_are_kept_or_stay_rejected(
    db: database.Connection, settings: Settings
) -> None:
    make_unreleased(db)
    before = [(1, ""), (1, "reject"), (0, "keep"), (0, "reject"), (0, ""), (1, "keep")]
    for favourite, pick in before:
        db.execute(
            "INSERT INTO generation_records (prompt, status, favourite, pick) VALUES ('猫', 'success', ?, ?)",
            (favourite, pick),
        )
    database.open_database(settings.database)
    found = db.execute("SELECT * FROM generation_records ORDER BY id").fetchall()
    assert [row["pick"] for row in found] == ["keep", "reject", "keep", "reject", "", "keep"]
    assert "favourite" not in found[0].keys()  # noqa: SIM118 - of a row
    assert (database.count_kept(db), database.count_kept(db, trash=True)) == (3, 0)
    while database.index_records(db):
        pass
    wanted = database.RecordFilter(search="猫", pick="keep")
    assert list(database.list_record_ids(db, wanted)) == [6, 3, 1]
