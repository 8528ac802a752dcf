"""What the user of a round does: try a sample, release the rest, raise a budget, repair what was refused."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import requests

from tools.torture.checks import PRICE_MICROS, overspent
from tools.torture.plan import CHANGING, FIRST_CHANGE, RAISED, Plan
from tools.torture.site import FastServer, Site, Unreadable

_OWNER = 1  # the first person
_DIFFERENT_NAMES = 4
_STRICT = {"refused": 2, "of": 5, "failed": 0.5, "last": 4}


class User:
    """The user of one round, at any of the servers. Every step that costs money is repeated with its key: the
    submission when it is not answered, the others by posting to all servers at once.

    done         how often each step was taken
    names        by the id of a row, the file name of the last edit that was answered
    lost_names   the same of edits whose answer was lost: they may be written at any time
    breaches     what was seen that must never be
    replacements the prompts that were changed: earlier -> present
    has_killed   whether it has killed a server, which is none of the planned crashes
    limits       what each person may spend, in micro-yuan, by their ids: who orders, and the owner, who
                 repairs and has no limit; empty in a plan of one person
    """

    def __init__(self, plan: Plan, site: Site) -> None:
        self.plan = plan
        self.site = site
        self.done: Counter[str] = Counter()
        self.breaches: list[str] = []
        self.replacements: dict[str, str] = {}
        self._is_repaired = self._is_limited = False
        self.has_killed = False
        self.limits: dict[int, int | None] = {}
        self._owner: dict[str, str] = {}  # cookies
        self.names: dict[int, str] = {}
        self.lost_names: dict[int, list[str]] = defaultdict(list)
        self.changing: dict[int, int] = {}  # row -> the record whose picture is changed
        self.changed: set[int] = set()  # rows whose change was answered

    def submission(self) -> dict[str, Any]:
        """The body of the submission."""
        rows = [
            {"prompt": self.plan.prompt(row), "resolution": "1K", "filename": f"图{row % _DIFFERENT_NAMES}"}
            for row in range(1, self.plan.rows + 1)
        ]
        body: dict[str, Any] = {
            "rows": rows,
            "repeats": "skip",
            "request_id": self._key("submit"),
            "stop_after": _STRICT if self.plan.steps.is_strict else None,
        }
        if self.plan.steps.sample:
            body["sample"] = self.plan.steps.sample
        return body

    def log_in(self, servers: Sequence[FastServer]) -> None:
        """Log in at one server, if there is a password, as who orders; the login holds at all."""
        for server in servers if self.plan.password else ():
            with contextlib.suppress(requests.RequestException):
                answer = server.send("POST", "/login", data={"password": self.plan.password}, cookies={})
                self._owner = cookies = dict(answer.cookies)
                if cookies and self.plan.steps.limit:
                    cookies = self._join(server)
                if cookies:
                    for each in self.site.servers:
                        each.cookies = cookies
                    self.done["logged in"] += 1
                    return

    def _join(self, server: FastServer) -> dict[str, str]:
        """The cookies of another person, invited by the owner; another one at each call."""
        limit = self.plan.steps.limit * PRICE_MICROS
        body = {"name": f"小周{len(self.limits)}", "month_limit": limit / 1_000_000}
        added = server.send("POST", "/api/people", json=body, cookies=self._owner).json()
        data = {"name": body["name"], "password": self.plan.password}
        joined = server.send("POST", "/join/" + added["link"].rpartition("/join/")[2], data=data, cookies={})
        self.limits = {_OWNER: None, added["person"]["id"]: limit}
        return dict(joined.cookies)

    def submit(self, servers: Sequence[FastServer]) -> None:
        """Submit the batch to one server; to another one when it does not answer, and there is one."""
        if self.plan.steps.limit and not self.limits:
            self.log_in(servers)
        for server in servers if self.limits or not self.plan.steps.limit else ():
            self.kill_at("submit", server)
            answers = self._post(server, "/api/batches", self.submission())
            if any(answer.get("success") for answer in answers):
                return
            self.done["submission without success"] += 1
            if not self.site.is_cluster and (answers or not server.exits_soon):
                self.breaches.append(f"the submission was refused or not answered: {answers}")

    def set_budget(self, servers: Sequence[FastServer]) -> None:
        """Set the budget of a batch, if the plan has one."""
        for server in servers[:1] if self.plan.steps.budget else ():
            amount = self.plan.steps.budget * PRICE_MICROS / 1_000_000
            self._is_limited = self._send_as_owner(server, "PUT", "/api/budgets", {"batch": amount})

    def go_on(self, servers: Sequence[FastServer], batch_id: str) -> None:
        """Do what a paused batch waits for: release the rest of it, raise the budget, or resume it."""
        batch = self._batch(servers[0], batch_id)
        if batch is None or batch["status"] != "paused":
            return
        cause = batch["paused_cause"]
        self.done[f"paused: {cause or 'other'}"] += 1
        if cause == "sample":
            body = {"aspect_ratio": self.plan.steps.ratio, "request_id": self._key("release")}
            answers = self._post_to_all(servers, "release", f"/api/batches/{batch_id}/release", body)
            is_released = any(answer.get("released") for answer in answers)
            self.done["released"] += is_released
            if answers and not is_released:  # refused by the budget or the limit
                self._allow_more(servers[0], batch_id)
            return
        if cause in ("budget", "limit"):
            self._allow_more(servers[0], batch_id)
        for answer in self._post(servers[0], f"/api/batches/{batch_id}/resume", None):
            if not answer.get("success"):  # refused by the budget or the limit
                self._allow_more(servers[0], batch_id)

    def repair(self, servers: Sequence[FastServer], batch_id: str, records: Sequence[dict[str, Any]]) -> bool:
        """Change the words of what was refused and retry it -> whether there was any left to repair.

        To be called again when it has ended: the server may be killed before it answers.
        """
        refused = [
            record
            for record in records
            if record["status"] == "failed" and not record["cost_micros"] and not record["task_id"]
        ]
        if not refused or self._is_repaired or not self.plan.steps.is_repaired:
            return False
        prompts = {record["id"]: f"第 {record['row_number']:03} 张 改好了" for record in refused}
        self.replacements = {record["prompt"]: prompts[record["id"]] for record in refused}
        changes = {str(record_id): {"prompt": prompt} for record_id, prompt in prompts.items()}
        body = {"changes": changes, "request_id": self._key("repair")}
        answers = self._post_to_all(servers, "repair", f"/api/batches/{batch_id}/retry", body, self._owner)
        self._is_repaired = any(answer.get("success") for answer in answers)
        if answers and not self._is_repaired:
            self.breaches.append(f"the repair was refused: {answers}")
        self.done["repaired"] += self._is_repaired * len(refused)
        return True

    def edit(self, servers: Sequence[FastServer]) -> None:
        """Ask for another file name in one row, at any server, while the run goes on: it changes no order."""
        number = self.done["rows edited"] + self.done["edits without answer"]
        with contextlib.suppress(Unreadable):
            rows = self.site.read("SELECT id, table_id FROM table_rows ORDER BY id")
            if not rows:
                return
            row, name = rows[number % len(rows)], f"改名{number}"
            operation = {"op": "set", "row": row["id"], "values": {"filename": name}}
            body = {"operations": [operation], "request_id": self._key(f"edit {number}")}
            server = servers[number % len(servers)]
            with contextlib.suppress(requests.RequestException):
                status = server.send("PATCH", f"/api/tables/{row['table_id']}", json=body).status_code
                if status == 200:
                    self.names[row["id"]] = name
                    self.done["rows edited"] += 1
                    return
                if status < 500:
                    self.breaches.append(f"an edit was refused with {status}")
            self.lost_names[row["id"]].append(name)
            self.done["edits without answer"] += 1

    def change(self, servers: Sequence[FastServer]) -> bool:
        """Change a place in a picture of some rows, once each, at any server -> whether one is to be ordered.

        Asked for again, with the same key, until it is answered.
        """
        most = self.plan.steps.changes if servers else 0
        with contextlib.suppress(Unreadable):
            sql = "SELECT id, row_number, status FROM generation_records WHERE picture_number = 1 ORDER BY id"
            records = self.site.read(sql) if most > len(self.changed) else []
            if any(record["status"] == "held" for record in records):
                return False  # a batch that waits for its trial does not go on
            made = [record for record in records if record["status"] == "success"]
            for record in made[:most]:
                self.changing.setdefault(record["row_number"], record["id"])
        rows = [*self.changing][:most]
        for number, row in enumerate(rows, 1):
            if row in self.changed:
                continue
            body = {
                "prompt": self.plan.prompt(FIRST_CHANGE + number),
                "model": CHANGING[self.plan.service],
                "region": {"x": 0.2, "y": 0.3, "width": 0.4, "height": 0.2},
                "request_id": self._key(f"change {row}"),
            }
            path = f"/api/records/{self.changing[row]}/edit"
            for answer in self._post(servers[number % len(servers)], path, body):
                self.changed |= {row} if answer.get("success") else set()
                self.done["changed" if answer.get("success") else "changes refused"] += 1
        return len(self.changed) < len(rows)

    def lost_edits(self) -> list[str]:
        """The breaches among the edits: rows that ask for another file name than was answered."""
        rows = self.site.read("SELECT id, fields FROM table_rows")
        found = {row["id"]: json.loads(row["fields"]).get("filename") for row in rows}
        return [
            f"row {row_id} asks for {found.get(row_id)} instead of {name}"
            for row_id, name in self.names.items()
            if found.get(row_id) not in (name, *self.lost_names[row_id])
        ]

    def kill_at(self, step: str, server: FastServer) -> None:
        """Kill the server soon, once, if the plan has it killed at this step."""
        if step == self.plan.steps.killed_at and not self.has_killed:
            self.has_killed = True
            self.done[f"killed at {step}"] += 1
            threading.Timer(self.plan.steps.killed_after, server.kill).start()

    def _allow_more(self, server: FastServer, batch_id: str) -> None:
        """Note whether the budget or the limit was exceeded, then remove the budget and raise the limit."""
        with contextlib.suppress(Unreadable):
            charges = self.site.read("SELECT * FROM charges WHERE outcome <> 'not_billed'")
            committed = sum(each["price_micros"] for each in charges if each["batch_id"] == batch_id)
            if self._is_limited and committed > self.plan.steps.budget * PRICE_MICROS:
                self.breaches.append(
                    f"{committed} micro-yuan committed under a budget of {self.plan.steps.budget} images"
                )
            for person_id, limit in self.limits.items():
                self.breaches += overspent(charges, person_id, limit)
        if self.plan.steps.budget:
            self._is_limited = False
            self._send_as_owner(server, "PUT", "/api/budgets", {"batch": None})
        for person_id, limit in self.limits.items():
            if limit is not None:
                self.limits[person_id] = raised = limit + RAISED * PRICE_MICROS
                self._send_as_owner(
                    server, "PATCH", f"/api/people/{person_id}", {"month_limit": raised / 1_000_000}
                )
                self.done["limit raised"] += 1

    def _send_as_owner(self, server: FastServer, method: str, path: str, body: dict[str, Any]) -> bool:
        with contextlib.suppress(requests.RequestException):
            return server.send(method, path, json=body, cookies=self._owner).status_code == 200
        return False

    def _batch(self, server: FastServer, batch_id: str) -> dict[str, Any] | None:
        with contextlib.suppress(requests.RequestException):  # it may be killed at any time
            batch: dict[str, Any] | None = server.get(f"/api/batches/{batch_id}").get("batch")
            return batch
        return None

    def _post_to_all(
        self,
        servers: Sequence[FastServer],
        step: str,
        path: str,
        body: dict[str, Any],
        cookies: dict[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Post the same request twice to each server, all at once -> the answers that came."""
        self.kill_at(step, servers[0])
        answers: list[dict[str, Any]] = []

        def post(server: FastServer) -> None:
            answers.extend(self._post(server, path, body, cookies))

        threads = [threading.Thread(target=post, args=(server,)) for server in 2 * list(servers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def _post(
        self,
        server: FastServer,
        path: str,
        body: dict[str, Any] | None,
        cookies: dict[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        with contextlib.suppress(requests.RequestException):
            return [server.send("POST", path, json=body, cookies=cookies or server.cookies).json()]
        return []

    def _key(self, step: str) -> str:
        return f"round {self.plan.number}, {step}"
