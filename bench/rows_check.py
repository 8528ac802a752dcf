"""Checking 5,000 rows against a million records, against the same check of a thousand in the same run.

    python -m bench.rows_check [--records 1000000]

A tenth of the rows was made before. The million is the one of ``bench.search``.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import MAX_ROWS_A_BATCH
from app.web.services import services_of
from bench._million_records import build
from web_app import create_app

ROUNDS = 7
FEW, MANY = 1_000, 1_000_000
MADE = MAX_ROWS_A_BATCH // 10
AT_MOST_RATIO, AT_MOST_SECONDS = 1.5, 1.0


def main() -> None:
    """Print the times; exit with 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=MANY)
    number = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        checks = [open_app(stack, build(size), Path(folder)) for size in (number, FEW)]
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            for (client, rows), taken in zip(checks, times, strict=True):
                taken.append(_seconds(client, rows))
    many, few = map(statistics.median, times)
    print(f"{MAX_ROWS_A_BATCH} rows against {number} records {many:.3f} s, against {FEW} {few:.3f} s")
    print(f"ratio {many / few:.2f} (at most {AT_MOST_RATIO}), seconds {many:.3f} (at most {AT_MOST_SECONDS})")
    if number < MANY:
        print(f"(the contract speaks of {MANY} records)")
    elif many / few > AT_MOST_RATIO or many > AT_MOST_SECONDS:
        sys.exit(1)


def open_app(stack: ExitStack, path: Path, folder: Path) -> tuple[FlaskClient, list[dict[str, Any]]]:
    settings = Settings(
        image_model="jimeng",
        database_path=path,
        output_dir=folder / "output",
        samples_dir=folder / "samples",
    )
    app = create_app(settings)
    stack.enter_context(services_of(app).pool.keep_open())
    return app.test_client(), rows_to_check(path)


def rows_to_check(path: Path) -> list[dict[str, Any]]:
    """The rows to check: some that were made, from all over the file, and others that are new."""
    with closing(database.connect(path)) as db:
        made = db.execute(
            """
            SELECT prompt, negative_prompt, aspect_ratio, resolution
            FROM generation_records
            WHERE model = 'jimeng_t2i_v40' AND status = 'success'
              AND id % (SELECT max(1, max(id) / 700) FROM generation_records) = 0
            LIMIT :limit
            """,
            {"limit": MADE},
        ).fetchall()
    new = [{"prompt": f"没有做过的第 {n} 张，水彩风格"} for n in range(MAX_ROWS_A_BATCH - len(made))]
    return [*map(dict, made), *new]


def _seconds(client: FlaskClient, rows: Sequence[dict[str, Any]]) -> float:
    began = time.perf_counter()
    answer = client.post("/api/rows/check", json={"rows": rows})
    took = time.perf_counter() - began
    found = answer.get_json()["rows"]
    assert len(found) == len(rows)
    assert sum(bool(row["made"]) for row in found) >= MADE
    return took


if __name__ == "__main__":
    main()
