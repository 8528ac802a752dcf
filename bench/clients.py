"""What 200 clients who look at a round of 100 pictures at once cost the studio's own pages.

``python -m bench.clients``. Each client, over a connection of its own, opens the page and its state, looks at
a picture a second, one of ten large, and marks one of ten. The same server without clients stands beside it;
so does the time that drawing the previews took, which the first client waits for.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._process_usage import cpu_seconds
from tools.server_process import ServerProcess, running_server

CLIENTS, PICTURES = 200, 100
SECONDS = 20.0
MOST_OF_IDLE_MEDIAN, MOST_OF_IDLE_P99, LEAST_SEEN = 2.0, 3.0, 0.8
_STUDIO = ("/records", "/api/records?limit=20", "/", "/api/models", "/batch")


def main() -> None:
    """Print the figures; exit with 1 above a bound."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), image_model="demo", model_concurrency=2) as server,
    ):
        path = _round(server)
        seconds = _draw(server, path)
        alone = _measure(server)
        with _clients(server.port, path) as seen:
            time.sleep(3)
            before, began = seen(), time.monotonic()
            looked = _measure(server)
            rate = (seen() - before) / (time.monotonic() - began)
    print(f"{PICTURES} previews drawn in two sizes: {seconds:.1f} s")
    for name, (cores, median, p99) in (("alone", alone), (f"{CLIENTS} clients", looked)):
        print(f"{name:12} {cores:5.2f} cores, studio {median * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms")
    median, p99 = looked[1] / alone[1], looked[2] / alone[2]
    print(f"the clients saw {rate:.0f} pictures a second, one each would be {CLIENTS}; ", end="")
    print(f"median {median:.2f} x (at most {MOST_OF_IDLE_MEDIAN}), p99 {p99:.2f} x", end=" ")
    print(f"(at most {MOST_OF_IDLE_P99})")
    if median > MOST_OF_IDLE_MEDIAN or p99 > MOST_OF_IDLE_P99 or rate < LEAST_SEEN * CLIENTS:
        sys.exit(1)


def _round(server: ServerProcess) -> str:
    """Make a table with pictures and a round of them -> the path of its link."""
    rows = [
        {"prompt": f"第 {n} 张", "resolution": "1K", "columns": {"SKU": f"A-{n}"}} for n in range(PICTURES)
    ]
    batch = server.post("/api/batches", {"rows": rows})
    while server.get(f"/api/batches/{batch['batch_id']}")["batch"]["status"] != "finished":
        time.sleep(0.5)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Host": f"192.168.1.20:{server.port}", "Content-Type": "application/json"}
    body = json.dumps({"client": "王总", "pick": "all"})
    connection.request("POST", f"/api/tables/{batch['table_id']}/rounds", body, headers)
    link: str = json.loads(connection.getresponse().read())["link"]
    return "/r/" + link.rpartition("/")[2]


def _draw(server: ServerProcess, path: str) -> float:
    """Look at all pictures once -> how long that took."""
    began, connection = time.monotonic(), http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for n in range(1, PICTURES + 1):
        _call(connection, "GET", f"{path}/pictures/{n}?size=small")
    return time.monotonic() - began


def _measure(server: ServerProcess) -> tuple[float, float, float]:
    """-> (cores used; median and p99, in seconds, of what the studio asks for meanwhile)."""
    assert server.process
    before, began = cpu_seconds(server.process.pid), time.monotonic()
    connection, waits = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30), list[float]()
    while time.monotonic() - began < SECONDS:
        for path in _STUDIO:
            waits.append(_call(connection, "GET", path))
            time.sleep(0.02)
    cores = (cpu_seconds(server.process.pid) - before) / (time.monotonic() - began)
    waits.sort()
    return cores, waits[len(waits) // 2], waits[int(len(waits) * 0.99)]


def _call(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> float:
    began, headers = time.monotonic(), {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status in (200, 429), answer.status  # all clients share the 30 changes a minute of one link
    return time.monotonic() - began


@contextmanager
def _clients(port: int, path: str) -> Iterator[Callable[[], int]]:
    """All the clients -> how many pictures they have seen."""
    command = [sys.executable, "-m", "bench.clients", "look", str(port), path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asking, told = process.stdin, process.stdout
        assert asking
        assert told

        def seen() -> int:
            print(file=asking, flush=True)
            return int(told.readline())

        try:
            yield seen
        finally:
            process.terminate()


def look(port: int, path: str) -> None:
    """All the clients, in a separate process; it answers each line with how many pictures they have seen."""
    seen = [0] * CLIENTS
    for number in range(CLIENTS):
        threading.Thread(target=_look, args=(port, path, number, seen), daemon=True).start()
    for _ in sys.stdin:
        print(sum(seen), flush=True)


def _look(port: int, path: str, number: int, seen: list[int]) -> None:
    time.sleep(number / CLIENTS)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for opened in (path, f"{path}/state"):
        _call(connection, "GET", opened)
    for turn in range(10**6):
        n = (number + turn) % PICTURES + 1
        _call(connection, "GET", f"{path}/pictures/{n}?size={'small' if turn % 10 else 'large'}")
        seen[number] += 1
        if turn % 10 == number % 10:
            _call(connection, "PUT", f"{path}/marks", {str(n): {"mark": "heart"}})
        time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["look"]:
        look(int(sys.argv[2]), sys.argv[3])
    else:
        main()
