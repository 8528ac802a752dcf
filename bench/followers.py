"""What 20 browsers that follow one batch cost: CPU of the server, and the patience of everybody else.

``python -m bench.followers``. The real server works on a batch of a slow fake Jimeng; the followers ask as
the page does, each second for the batch and each third for the top bar, with the ETag they were last given.
The same server without followers, and a bare Flask app with the same followers, stand beside it.
"""

import http.client
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._bare import bare_app
from bench._process_usage import cpu_seconds
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess, running_server

FOLLOWERS = 20
SECONDS = 20.0
MOST_OF_A_CORE, MOST_OF_IDLE_P99 = 0.05, 3.0
_OTHERS = ("/records", "/api/records?limit=20", "/", "/api/models")


def main() -> None:
    """Print both figures; exit with 1 above a bound."""
    floor = bare()
    alone, followed = real()
    core, patience = followed[0] - alone[0], followed[1] / alone[1]
    print(f"{'a bare Flask app, followed':26} {floor:6.3f} cores")
    for name, (cores, p99) in (("alone", alone), (f"{FOLLOWERS} followers", followed)):
        print(f"{name:26} {cores:6.3f} cores, p99 of other requests {p99 * 1000:6.1f} ms")
    print(f"they take {core:.1%} of a core (at most 5%), {core / floor:.2f} x the bare app", end="; ")
    print(f"p99 {patience:.2f} x (at most 3)")
    if core > MOST_OF_A_CORE or patience > MOST_OF_IDLE_P99:
        sys.exit(1)


def bare() -> float:
    """-> cores that the followers use on the bare app."""
    with bare_app() as (process, port), _followers(port, "any"):
        time.sleep(3)
        return _cores(process)


def real() -> tuple[tuple[float, float], tuple[float, float]]:
    """-> (cores, p99 in seconds of other requests) of the server alone, and with followers."""
    with tempfile.TemporaryDirectory() as folder, FakeJimeng(latency=600.0) as jimeng:
        settings = jimeng.settings(model_concurrency=4, model_timeout=900)
        with running_server(Path(folder), **settings) as server:
            rows = [{"prompt": f"第 {n} 张：雪山下的小屋"} for n in range(200)]
            batch_id = server.post("/api/batches", {"rows": rows})["batch_id"]
            time.sleep(3)
            alone = _measure(server)
            with _followers(server.port, batch_id):
                time.sleep(3)
                return alone, _measure(server)


def _measure(server: ServerProcess) -> tuple[float, float]:
    """-> (cores used without other requests; p99 in seconds of the requests after that)."""
    assert server.process
    cores = _cores(server.process.pid)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    waits = sorted(_poll(connection, path) for path in _OTHERS * 100)
    return cores, waits[int(len(waits) * 0.99)]


def _cores(process: int) -> float:
    before, began = cpu_seconds(process), time.monotonic()
    time.sleep(SECONDS)
    return (cpu_seconds(process) - before) / (time.monotonic() - began)


def _poll(connection: http.client.HTTPConnection, path: str) -> float:
    began = time.monotonic()
    connection.request("GET", path)
    connection.getresponse().read()
    return time.monotonic() - began


@contextmanager
def _followers(port: int, batch_id: str) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.followers", "follow", str(port), batch_id]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


def follow(port: int, batch_id: str) -> None:
    """All the followers, in a separate process."""
    paths = (f"/api/batches/{batch_id}?since=0", "/live/status")
    for number in range(FOLLOWERS):
        threading.Thread(target=_follow, args=(port, paths, number / FOLLOWERS), daemon=True).start()
    time.sleep(3600)


def _follow(port: int, paths: tuple[str, ...], offset: float) -> None:
    time.sleep(offset)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    etags: dict[str, str] = {}
    for turn in itertools.count():
        for path in paths if turn % 3 == 0 else paths[:1]:
            known = {"If-None-Match": etags[path]} if path in etags else {}
            connection.request("GET", path, headers=known)
            answer = connection.getresponse()
            answer.read()
            etags[path] = answer.headers.get("ETag", "")
            assert answer.status in (200, 304)
            assert etags[path]
        time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["follow"]:
        follow(int(sys.argv[2]), sys.argv[3])
    else:
        main()
