"""Memory of the real process: idle, idle with a bucket of 10,000 keys, and with 64 images of 4K under way.

``python -m bench.memory``. The reference is a one-line Flask app under waitress.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from bench._bare import bare_app
from bench._process_usage import peak_megabytes, resident_megabytes
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.server_process import ServerProcess, running_server

KEYS = 10_000
UNDER_WAY, PICTURES = 64, 192
WEIGHT = 3_000_000  # a detailed 4K JPEG
MOST_IDLE, MOST_WITH_BUCKET, MOST_BUSY = 80.0, 100.0, 400.0
_PAGES = ("/", "/batch", "/records", "/samples", "/api/records", "/api/sample-images?limit=100", "/healthz")


def main() -> None:
    """Print a line for each; exit with 1 above a bound."""
    with bare_app() as (process, _):
        floor = resident_megabytes(process)
    print(f"{'a bare Flask app under waitress':44} {floor:6.0f} MB")
    measured = [("idle", idle(), MOST_IDLE)]
    measured.append((f"idle, a bucket of {KEYS:,} keys listed", idle_with_bucket(), MOST_WITH_BUCKET))
    measured.append((f"{UNDER_WAY} pictures of 4K under way, peak", busy(), MOST_BUSY))
    for name, megabytes, most in measured:
        more = f"{megabytes - floor:+.0f} over the bare app"
        print(f"{name:44} {megabytes:6.0f} MB, {more} (at most {most:.0f})")
    if any(megabytes > most for _, megabytes, most in measured):
        sys.exit(1)


def idle() -> float:
    """Started, every page requested, nothing to do."""
    with _server(image_model="demo") as server:
        return _idle_megabytes(server)


def idle_with_bucket() -> float:
    """The same with the list of a large library, read three times."""
    with FakeOss() as oss:
        for number in range(KEYS):
            oss.put(f"ai-images/sample/新款连衣裙 {number:05}-640x480-{number:012x}.png", b"x", age=number)
        with _server(image_model="demo", **oss.settings()) as server:
            while server.get("/api/sample-images?limit=1&search=09999").get("total") != 1:
                time.sleep(0.2)
            return _idle_megabytes(server)


def busy() -> float:
    """Images of about 16 million pixels each, as fast as the service returns them."""
    with (
        FakeJimeng(latency=2.0, image_bytes=WEIGHT) as jimeng,
        _server(**jimeng.settings(model_concurrency=UNDER_WAY, model_timeout=300)) as server,
    ):
        rows = [{"prompt": f"第 {n} 张：雪山下的小屋", "resolution": "4K"} for n in range(PICTURES)]
        batch_id = server.post("/api/batches", {"rows": rows})["batch_id"]
        batch = server.wait_for_end(batch_id, seconds=600)
        assert batch["counts"]["success"] == PICTURES, batch
        assert server.process
        return peak_megabytes(server.process.pid)


def _idle_megabytes(server: ServerProcess) -> float:
    for path in _PAGES * 3:
        requests.get(server.address + path, timeout=30)
    time.sleep(3)
    assert server.process
    return resident_megabytes(server.process.pid)


@contextmanager
def _server(**settings: object) -> Iterator[ServerProcess]:
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), **settings) as server:
        yield server


if __name__ == "__main__":
    main()
