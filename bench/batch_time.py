"""A batch's wall time against the ideal, ceil(images / concurrency) × latency.

``python -m bench.batch_time``. The fake Jimeng is a separate process, 2 s and 1 MB an image; thumbnails are
made.
"""

import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import database
import generator
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Status
from app.images.filenames import is_taken, stem_from_prompt
from app.worker.worker import Worker
from tests.fakes.jimeng import ACCESS_KEY, SECRET_KEY

LATENCY = 2.0
WEIGHT = 1_000_000


def main() -> None:
    """Print a line for 8 and for 64 concurrent images; exit with 1 above the bound."""
    passed = True
    for under_way, count, limit in ((8, 200, 1.03), (64, 1280, 1.08)):
        seconds, megabytes = measure(under_way, count)
        ideal = math.ceil(count / under_way) * LATENCY
        print(
            f"{count} pictures, {under_way} under way: {seconds:.2f} s, ideal {ideal:.0f} s, "
            f"ratio {seconds / ideal:.3f} (at most {limit}); peak so far {megabytes:.0f} MB",
            flush=True,
        )
        passed = passed and seconds / ideal <= limit
    sys.exit(0 if passed else 1)


def measure(under_way: int, count: int) -> tuple[float, float]:
    """-> (wall seconds of the batch, peak memory of this process in MB)."""
    with tempfile.TemporaryDirectory() as folder, fake_jimeng() as address:
        data_dir = Path(folder)
        settings = Settings(
            image_model="jimeng",
            jimeng_endpoint=address,
            model_concurrency=under_way,
            database_path=data_dir / "bench.db",
            output_dir=data_dir / "output",
            samples_dir=data_dir / "samples",
            volcengine_ak=ACCESS_KEY,
            volcengine_sk=SECRET_KEY,
        )
        database.open_database(settings.database_path)
        worker = Worker(settings, generator.open_provider(settings))
        worker.start()
        _run(settings, worker, 1)  # warm up: the fake draws its image once, and the worker learns the latency
        seconds = _run(settings, worker, count)
        worker.stop()
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def fake_jimeng(latency: float = LATENCY, weight: int = WEIGHT) -> Iterator[str]:
    """The fake service in a separate process -> its address."""
    command = [sys.executable, "-m", "tests.fakes.jimeng", "--port", "0", "--latency", str(latency)]
    command += ["--image-bytes", str(weight), "--image-format", "jpeg"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def _run(settings: Settings, worker: Worker, count: int) -> float:
    with closing(database.connect(settings.database_path)) as db:
        requests = [ImageRequest(prompt=f"第 {n} 张：雪山下的小屋") for n in range(count)]
        began = time.monotonic()
        batch_id, _, _ = database.add_batch(
            db,
            database.Submission(
                requests=requests,
                spec=worker.provider.spec,
                stems=[stem_from_prompt(request.prompt) for request in requests],
                is_taken=lambda stem: is_taken(settings.output_dir, stem),
            ),
        )
        worker.wake.notify()
        while database.get_batch(db, batch_id).status is not BatchStatus.FINISHED:
            assert database.get_batch(db, batch_id).status is not BatchStatus.PAUSED
            time.sleep(0.05)
        seconds = time.monotonic() - began
        assert database.get_batch(db, batch_id).counts[Status.SUCCESS] == count
    return seconds


if __name__ == "__main__":
    main()
