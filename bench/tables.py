"""A table of 5,000 rows among a million records: a changed cell, against an empty call, and opening it.

    python -m bench.tables [--records 1000000]

A tenth of the rows was made before. The million is the one of ``bench.search``.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench._million_records import build
from bench.rows_check import MANY, open_app

ROUNDS = 15
AT_MOST_EXTRA, AT_MOST_OPENING, AT_MOST_BYTES = 0.15, 0.2, 300_000


def main() -> None:
    """Print the times; exit with 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=MANY)
    number = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        client, rows = open_app(stack, build(number), Path(folder))
        table = client.post("/api/tables", json={"rows": rows}).get_json()["table"]["id"]
        path, packed = f"/api/tables/{table}", {"Accept-Encoding": "gzip"}
        row = client.get(path).get_json()["rows"][2_500]["id"]

        def change(*operations: object) -> Any:
            return client.patch(path, json={"operations": operations})

        def cell(turn: int) -> Any:
            return change({"op": "set", "row": row, "values": {"prompt": f"改过的第 {turn} 次"}})

        empty, changed = _times(lambda _: change(), cell)
        (opening,) = _times(lambda _: client.get(path, headers=packed))
        size = len(client.get(path, headers=packed).data)
        client.delete(path)
    extra = changed - empty
    print(f"{len(rows)} rows among {number} records: a changed cell {1000 * changed:.0f} ms, an empty call")
    print(f"{1000 * empty:.0f} ms; difference {1000 * extra:.0f} ms (at most {1000 * AT_MOST_EXTRA:.0f})")
    print(f"opening {1000 * opening:.0f} ms (at most {1000 * AT_MOST_OPENING:.0f}), {size:,} bytes", end=" ")
    print(f"(at most {AT_MOST_BYTES:,})")
    if number < MANY:
        print(f"(the contract speaks of {MANY} records)")
    elif extra > AT_MOST_EXTRA or opening > AT_MOST_OPENING or size > AT_MOST_BYTES:
        sys.exit(1)


def _times(*calls: Callable[[int], Any]) -> list[float]:
    """The median seconds of each call, made in turn."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(ROUNDS):
        for call, taken in zip(calls, times, strict=True):
            began = time.perf_counter()
            assert call(turn).status_code == 200
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
