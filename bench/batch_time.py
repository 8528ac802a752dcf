"""A batch's wall time against the ideal, ceil(images / concurrency) × latency.

``python -m bench.batch_time``. The fake Jimeng is a separate process, 1 MB an image; thumbnails are made.
"""

import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Status
from app.images.filenames import is_taken, stem_from_prompt
from app.runtime import Runtime
from tools import orders
from tools.fakes.jimeng import ACCESS_KEY, SECRET_KEY

WEIGHT = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """A batch of pictures of ``latency`` seconds; ``warm``: after one that taught the worker the latency."""

    under_way: int
    count: int
    latency: float
    warm: bool
    limit: float


CASES = (
    Case(under_way=8, count=200, latency=2.0, warm=True, limit=1.03),
    Case(under_way=64, count=1280, latency=10.0, warm=True, limit=1.05),
    Case(under_way=8, count=40, latency=10.0, warm=False, limit=1.05),
)


def main() -> None:
    """Print a line for each case; exit with 1 above a bound."""
    passed = True
    for case in CASES:
        seconds, polls, megabytes = measure(case)
        ideal = math.ceil(case.count / case.under_way) * case.latency
        known = "latency known" if case.warm else "right after a start"
        print(
            f"{case.count} pictures, {case.under_way} under way, {case.latency:.0f} s each, {known}: "
            f"{seconds:.2f} s, ideal {ideal:.0f} s, "
            f"ratio {seconds / ideal:.3f} (at most {case.limit}); {polls / case.count:.2f} polls a picture; "
            f"peak so far {megabytes:.0f} MB",
            flush=True,
        )
        passed = passed and seconds / ideal <= case.limit
    sys.exit(0 if passed else 1)


def measure(case: Case) -> tuple[float, int, float]:
    """-> (wall seconds of the batch, its polls, peak memory of this process in MB)."""
    with tempfile.TemporaryDirectory() as folder, fake_jimeng(case.latency) as address:
        data_dir = Path(folder)
        settings = Settings(
            image_model="jimeng",
            jimeng_endpoint=address,
            model_concurrency=case.under_way,
            database_path=data_dir / "bench.db",
            output_dir=data_dir / "output",
            samples_dir=data_dir / "samples",
            volcengine_ak=ACCESS_KEY,
            volcengine_sk=SECRET_KEY,
        )
        database.open_database(settings.database)
        runtime = Runtime(settings)
        runtime.start()
        if case.warm:
            _run(settings, runtime, 1)
        polls = _count_polls(address)
        seconds = _run(settings, runtime, case.count)
        polls = _count_polls(address) - polls
        runtime.stop()
    return seconds, polls, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def fake_jimeng(latency: float, weight: int = WEIGHT) -> Iterator[str]:
    """The fake service in a separate process -> its address."""
    command = [sys.executable, "-m", "tools.fakes.jimeng", "--port", "0", "--latency", str(latency)]
    command += ["--image-bytes", str(weight), "--image-format", "jpeg"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def _count_polls(address: str) -> int:
    return int(requests.get(f"{address}/__ledger", timeout=30).json()["calls"]["poll"])


def _run(settings: Settings, runtime: Runtime, count: int) -> float:
    with closing(database.connect(settings.database)) as db:
        rows = [ImageRequest(prompt=f"第 {n} 张：雪山下的小屋") for n in range(count)]
        began = time.monotonic()
        batch_id, _ = orders.add_batch(
            db,
            rows,
            models=runtime.engines.models,
            stems=[stem_from_prompt(row.prompt) for row in rows],
            is_taken=lambda stem: is_taken(settings.output_dir, stem),
        )
        runtime.wake()
        while database.get_batch(db, batch_id).status is not BatchStatus.FINISHED:
            assert database.get_batch(db, batch_id).status is not BatchStatus.PAUSED
            time.sleep(0.05)
        seconds = time.monotonic() - began
        assert database.get_batch(db, batch_id).counts[Status.SUCCESS] == count
    return seconds


if __name__ == "__main__":
    main()
