"""The tasks of Jimeng after their submission: polls, and the download of the image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain import GeneratedImage
from app.errors import ModelError, message
from app.providers.downloads import Downloads
from app.providers.http import Response, ServiceClient, decode_base64
from app.providers.jimeng_errors import expired, fetch_error, not_given, task_data, timed_out
from app.providers.polling import Poller
from app.providers.volc_signature import Signer

_MAX_DOWNLOADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class JimengTasks:
    """Reads the tasks of one model; ``producer`` is written into the implicit mark, unless it is empty."""

    req_key: str
    endpoint: str
    signer: Signer
    secrets: tuple[str, ...]
    client: ServiceClient
    downloads: Downloads
    producer: str
    watermark: bool | None

    def wait(self, task_id: str, poller: Poller) -> GeneratedImage:
        """Poll until the task is done, then download its image, again if it fails. Raises ModelError."""
        downloads = 0
        while poller.wait():
            data = self._poll(task_id)
            if data is None:
                continue
            poller.finished()
            downloads += 1
            try:
                tagged = data.get("aigc_meta_tagged") is True if self.producer else None
                return GeneratedImage(content=self._image(data), watermark=self.watermark, tagged=tagged)
            except ModelError as problem:
                if downloads == _MAX_DOWNLOADS or not problem.retryable:
                    raise
        raise timed_out()

    def _poll(self, task_id: str) -> Mapping[str, Any] | None:
        """Poll once; returns the finished task's data, None while it is running or the poll fails."""
        try:
            answer = self.query(self.client, task_id)
        except ModelError:
            return None  # free: the next poll repeats it
        data = task_data(answer)
        problem = fetch_error(answer, *self.secrets)
        if problem and not (data.get("image_urls") or data.get("binary_data_base64")):
            raise problem
        status = data.get("status")
        if status in ("expired", "not_found"):
            raise expired(message("即梦已不再保存这个任务"))
        return data if status == "done" else None

    def _image(self, data: Mapping[str, Any]) -> bytes:
        urls, contents = data.get("image_urls"), data.get("binary_data_base64")
        if isinstance(urls, list) and urls:
            return self.downloads.fetch(str(urls[0]))
        if isinstance(contents, list) and contents and (content := decode_base64(contents[0])):
            return content
        raise not_given()

    def query(self, client: ServiceClient, task_id: str) -> Response:
        """Ask for the state of a task, once, by this client."""
        wanted: dict[str, Any] = {"return_url": True}
        if self.watermark:
            wanted["logo_info"] = {"add_logo": True}
        if maker := self.producer:  # all four: the pages differ in what they require
            who = {"content_producer": maker, "content_propagator": maker}
            wanted["aigc_meta"] = who | {"producer_id": task_id, "propagate_id": task_id}
        options = json.dumps(wanted, separators=(",", ":"))
        body = {"req_key": self.req_key, "task_id": task_id, "req_json": options}
        return self.signer.call(client.post, self.endpoint, "CVSync2AsyncGetResult", body)
