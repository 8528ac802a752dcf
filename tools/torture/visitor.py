"""A user who reads and deletes at any web process while a batch runs: pages, searches, downloads."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import requests

from tools.torture.site import FastServer, Site, Unreadable

_SECONDS = 8.0  # a request to a process that is cut off from PostgreSQL may take longer: it is given up
_RESTORE_SECONDS = 30.0
_PAGES = ("/", "/batch", "/records", "/usage", "/model", "/healthz", "/api/batches", "/api/budgets")
_WORD = "江南"
_DELETED = "SELECT id FROM generation_records WHERE deleted_at IS NOT NULL"
_SAVED = """
    SELECT id, filename, sha256
    FROM generation_records
    WHERE status = 'success' AND deleted_at IS NULL
    ORDER BY id
"""


class Visitor:
    """A thread from ``start`` to ``stop``, which restores what was deleted.

    done      how often each answer came
    breaches  what was seen that must never be
    """

    def __init__(self, site: Site, log_in: Callable[[], None], seed: str) -> None:
        self.site = site
        self.breaches: list[str] = []
        self.done: Counter[str] = Counter()
        self._log_in = log_in
        self._random = random.Random(seed)
        self._deleted: set[int] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and restore what was deleted, also by a request that was given up and carried out later."""
        self._stopping.set()
        self._thread.join()
        deadline = time.monotonic() + _RESTORE_SECONDS
        while deleted := {row["id"] for row in self.site.read(_DELETED)}:
            if time.monotonic() > deadline:
                self.breaches.append(f"deleted records were not restored: {sorted(deleted)}")
                return
            self._deleted |= deleted
            for server in self.site.alive():
                self._restore(server)
            time.sleep(0.1)

    def _run(self) -> None:
        steps = (self._search, self._look, self._look, self._download, self._download, self._delete)
        while not self._stopping.wait(0.25):
            step = self._random.choice(steps)
            for server in self.site.alive()[:1]:
                with contextlib.suppress(requests.RequestException, Unreadable):
                    step(server)

    def _look(self, server: FastServer) -> None:
        self._send(server, "GET", self._random.choice(_PAGES))

    def _search(self, server: FastServer) -> None:
        answer = self._send(server, "GET", f"/api/records?limit=100&in=prompt&search={_WORD}")
        if answer.ok:
            wrong = [each["id"] for each in answer.json()["records"] if _WORD not in each["prompt"]]
            if wrong:
                self.breaches.append(f"a search for {_WORD} found {wrong}")

    def _download(self, server: FastServer) -> None:
        """A picture, as a script or as a page loads it, which may be led to OSS."""
        if not (saved := self.site.read(_SAVED)):
            return
        record, accept = self._random.choice(saved), self._random.choice(("*/*", "image/webp,*/*"))
        answer = self._send(server, "GET", f"/output/{record['filename']}", headers={"Accept": accept})
        if "x-oss-signature" in (place := answer.headers.get("Location", "")):
            answer = requests.get(place, timeout=_SECONDS)
            self.done[f"seen in OSS: {answer.status_code}"] += 1
            if answer.headers["Content-Type"] == "text/html":
                return  # a planned fault, which goes to the browser without the product
        is_right = hashlib.sha256(answer.content).hexdigest() == record["sha256"]
        if answer.status_code == 404 and record not in self.site.read(_SAVED):
            return  # a request that was given up has deleted it
        if answer.status_code == 404 or (answer.ok and not is_right):
            self.breaches.append(f"{answer.url} answered {answer.status_code}, not its image")

    def _delete(self, server: FastServer) -> None:
        if saved := self.site.read(_SAVED):
            record_id = self._random.choice(saved)["id"]
            self._deleted.add(record_id)
            self._send(server, "DELETE", f"/api/records/{record_id}")
            for other in self.site.alive()[:1]:
                self._restore(other)

    def _restore(self, server: FastServer) -> None:
        with contextlib.suppress(requests.RequestException):
            answer = self._send(server, "POST", "/api/records/restore", json={"ids": sorted(self._deleted)})
            if answer.ok:
                self._deleted.clear()

    def _send(self, server: FastServer, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; log in again where the login was lost. Raises RequestException."""
        answer = server.send(method, path, timeout=_SECONDS, **options)
        if answer.status_code == 401 or answer.headers.get("Location", "").startswith("/login"):
            self._log_in()
        self.done[f"seen: {answer.status_code}"] += 1
        if answer.status_code == 500:
            self.breaches.append(f"{method} {path} answered 500: {answer.text[:200]}")
        return answer
