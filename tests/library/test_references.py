"""References from the library to the model: checked before money is spent, signed when they are sent."""

import dataclasses
import html
import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import urlopen

import pytest
from PIL import Image

import database
from app.config import Settings
from app.domain import LibraryImage, Record, SampleImage, Status
from app.images import store
from app.library import bucket, list_cache
from app.library.library import Library
from app.runtime import Runtime
from tests.core.queue.queue import spent
from tests.harness import run_once, running, worker_of
from tests.specs import BYTES
from tests.web.harness import get, post
from tools.fakes.clock import Clock
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.waiting import wait_until
from web_app import create_app

PREFIX = "ai-images/sample/"
DAY = 24 * 3600


@pytest.fixture
def jimeng() -> Iterator[FakeJimeng]:
    with FakeJimeng(fetches_references=True) as service:
        yield service


class Site:
    """An installation whose library is in ``oss``; its worker runs turn by turn."""

    def __init__(
        self, settings: Settings, oss: FakeOss, jimeng: FakeJimeng, *, has_bucket: bool = True
    ) -> None:
        more = jimeng.settings(model_timeout=60, model_concurrency=8)
        more |= oss.settings() if has_bucket else {}
        self.oss, self.jimeng = oss, jimeng
        self.runtime = Runtime(replace(settings, **more))
        self.library = self.runtime.library
        app = create_app(self.runtime.settings, self.runtime)
        app.testing = False
        self.client = app.test_client()
        self.library.refresh()
        self.db = database.connect(settings.database)

    def add(self, name: str, content: bytes = b"") -> LibraryImage:
        return self.library.add(store.validate_upload(name, content or noise_image("png")))

    def by_hand(self, content: bytes, name: str = "手放.png") -> LibraryImage:
        """An image that was put into the bucket, or replaced there, by another program."""
        self.oss.put(PREFIX + name, content)
        self.library.refresh()
        return self.library.image(name)

    def queue(self, *rows: dict[str, object]) -> list[int]:
        ids: list[int] = self.post("batches", {"rows": list(rows)}, 202)["records"]
        return ids

    def work_off(self) -> None:
        self.db.execute("UPDATE generation_records SET not_before = 0")
        while run_once(self.runtime, self.db):
            pass

    def order(self, *rows: dict[str, object]) -> list[Record]:
        """Queue these rows and make their pictures."""
        ids = self.queue(*rows)
        self.work_off()
        return self.records(ids)

    def records(self, ids: list[int]) -> list[Record]:
        return [database.get_record(self.db, record_id) for record_id in ids]

    def have_ended(self, ids: list[int]) -> bool:
        return all(each.status not in (Status.QUEUED, Status.RUNNING) for each in self.records(ids))

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        return get(self.client, f"/api/{path}", status)

    def post(self, path: str, body: object, status: int = 200) -> dict[str, Any]:
        return post(self.client, f"/api/{path}", body, status)

    def used(self, record_id: int) -> dict[str, str]:
        """The reference of a record, as the API tells it."""
        found = self.get(f"records?limit=100&status={','.join(Status)}")["records"]
        (image,) = next(each for each in found if each["id"] == record_id)["sample_images"]
        return dict(image)

    def fetch(self, address: str) -> bytes:
        """What a browser sees there."""
        answer = self.client.get(address)
        assert answer.status_code == 302, answer.text
        with urlopen(answer.headers["Location"], timeout=60) as response:
            content: bytes = response.read()
            return content

    def shows_red(self, record_id: int) -> bool:
        """Whether the reference of a record is shown in its first colour."""
        return is_red(self.fetch(self.used(record_id)["thumbnail_url"]))

    def imported(self, table: str) -> dict[str, Any]:
        file = {"file": (io.BytesIO(table.encode()), "表.csv")}
        found: dict[str, Any] = self.client.post("/api/spreadsheet/import", data=file).get_json()
        return found


@pytest.fixture
def site(settings: Settings, oss: FakeOss, jimeng: FakeJimeng) -> Iterator[Site]:
    made = Site(settings, oss, jimeng)
    with closing(made.db):
        yield made


@pytest.fixture
def local_site(settings: Settings, oss: FakeOss, jimeng: FakeJimeng) -> Iterator[Site]:
    """One without a bucket."""
    made = Site(settings, oss, jimeng, has_bucket=False)
    with closing(made.db):
        yield made


def row(prompt: str, *images: LibraryImage) -> dict[str, object]:
    references = [{"url": image.url, "filename": image.filename} for image in images]
    return {"prompt": prompt, "resolution": "1K", "sample_images": references}


RED, BLUE = (Image.new("RGB", (96, 64), colour) for colour in ("red", "blue"))


def packed(image: Image.Image, name: str = "a.png") -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG" if name.endswith("jpg") else "PNG")
    return file.getvalue()


def is_red(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        red, _, blue = image.convert("RGB").getpixel((48, 32))  # type: ignore[misc]
    return red > blue


def test_references_reach_the_model_after_waiting_longer_than_a_signed_url(site: Site, clock: Clock) -> None:
    images = [site.add(name) for name in ("红 茶", "🍵 100%", "a+b&c=d", "~很长~" * 10)]
    rows = [row(f"第 {n} 张", *images[: 1 + n % 4]) for n in range(8)]
    ids = site.queue(*rows[:4])
    early = site.library.file(images[0].key)
    clock.sleep(9 * DAY)  # longer than any signature may live
    ids += site.queue(*rows[4:])
    with running(site.runtime):
        wait_until(lambda: site.have_ended(ids))
    assert {record.status for record in site.records(ids)} == {Status.SUCCESS}
    assert [status for _, status in site.jimeng.fetched] == [200] * 20
    assert site.jimeng.charges == 8
    with pytest.raises(HTTPError, match="403"):
        urlopen(str(early), timeout=60)


def test_a_queued_reference_is_a_key_and_hash_not_a_signed_url(site: Site) -> None:
    image = site.add("红茶")
    (record_id,) = site.queue(row("猫", image))
    stored = site.db.execute("SELECT sample_images FROM generation_records").fetchone()["sample_images"]
    assert json.loads(stored) == [
        {"url": image.url, "filename": "红茶.png", "key": image.key, "sha256": image.key[-16:-4]}
    ]
    assert database.get_record(site.db, record_id).sample_images[0].key == image.key


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (noise_image("webp"), "只收 JPEG、PNG"),
        (packed(Image.new("RGB", (400, 100))), "长边最多是短边的 3 倍"),
        (packed(Image.new("RGB", (4100, 1400))), "每边最多 4096"),
    ],
    ids=["format", "shape", "size"],
)
def test_unsupported_references_are_reported_by_row_before_queueing(
    site: Site, content: bytes, why: str
) -> None:
    good, bad = site.add("好"), site.add("坏", content)
    answer = site.post("batches", {"rows": [row("一", good), row("二", good, bad)]}, 400)
    (problem,) = answer["problems"]
    assert (problem["row"], problem["field"]) == (2, "sample_images")
    assert why in problem["error"]
    assert "「坏" in problem["error"]
    assert site.jimeng.calls == []


def test_without_a_bucket_a_local_reference_is_refused_and_every_picker_explains_it(local_site: Site) -> None:
    image = local_site.add("红茶")
    sentence = local_site.get("models")["model"]["local_reference_problem"]
    assert "请改用 即梦 4.6，或设置 OSS" in sentence
    refused = local_site.post("batches", {"rows": [row("猫", image)]}, 400)
    assert [problem["error"] for problem in refused["problems"]] == [sentence]
    for page in ("/", "/samples", "/batch"):
        assert sentence in html.unescape(local_site.client.get(page).text)
    found = local_site.imported("提示词,参考示例图\n猫,红茶\n狗,\n鸟,没有\n")
    shown = [(each["row"], each["column"], each["error"]) for each in found["problems"]]
    assert shown == [(2, "参考示例图", sentence), (4, "参考示例图", sentence)]


def test_with_a_bucket_no_restriction_is_shown(site: Site) -> None:
    model = site.get("models")["model"]
    assert (model["local_reference_problem"], model["reference_form"]) == ("", "any")
    for page in ("/", "/samples", "/batch"):
        assert "公网地址" not in html.unescape(site.client.get(page).text)
    assert site.imported("提示词,参考示例图\n猫,红茶\n")["problems"] == []


def test_a_table_imported_during_an_outage_has_references_to_look_up(
    settings: Settings, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    oss.is_down = True
    site = Site(settings, oss, jimeng)
    with closing(site.db):
        answer = site.imported("提示词,参考示例图\n猫,红、茶\n狗,\n")
    assert [row["references"] for row in answer["rows"]] == [["红、茶"], []]  # split once it is known
    assert answer["references"] == []
    assert [note for note in answer["notes"] if note.startswith("参考图还没有核对：")]


def test_a_missing_reference_is_reported_before_queueing(settings: Settings) -> None:
    client = create_app(settings).test_client()
    reference = {"url": "/samples/files/没有.png", "filename": "没有.png"}
    answer = post(client, "/api/batches", {"rows": [{"prompt": "猫", "sample_images": [reference]}]}, 400)
    assert "找不到" in answer["problems"][0]["error"]


def test_during_an_outage_records_with_references_wait_and_others_continue(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = site.add("红茶")
    ids, began = site.queue(row("要参考图", image), row("不要参考图")), time.time()
    site.oss.is_down = True
    earlier = site.oss.count("head")
    for _ in range(6):  # more often than any retry
        site.work_off()
    waiting, done = site.records(ids)
    assert (waiting.status, done.status) == (Status.QUEUED, Status.SUCCESS)
    assert "连不上 OSS" in str(waiting.error)
    assert site.oss.count("head") == earlier + 3  # one call with its retries; the others failed fast
    assert waiting.not_before > began
    assert spent(site.db) == Decimal("0.22")
    site.oss.is_down = False
    monkeypatch.setattr(bucket, "BREAKER_SECONDS", 0.0)
    site.work_off()
    assert site.records(ids)[0].status is Status.SUCCESS
    assert site.jimeng.charges == 2


def test_a_wrong_setting_pauses_the_batch_naming_it_and_no_row_fails(site: Site) -> None:
    ids, right = site.queue(row("要", site.add("红茶"))), site.oss.access_key
    site.oss.access_key = "LTAIx"
    site.work_off()
    [waiting] = site.records(ids)
    assert (waiting.status, waiting.cost, site.jimeng.charges) == (Status.QUEUED, Decimal(0), 0)
    batch = database.get_batch(site.db, waiting.batch_id or "")
    assert "OSS_ACCESS_KEY_ID" in str(batch.paused_reason)
    site.oss.access_key = right
    database.resume_batch(site.db, batch.id, models=worker_of(site.runtime).engines.models)
    site.work_off()
    assert site.records(ids)[0].status is Status.SUCCESS


def test_the_reason_of_an_outage_is_translated(site: Site) -> None:
    site.oss.is_down = True
    site.library.refresh()
    english = {"Accept-Language": "en"}
    page = html.unescape(site.client.get("/samples", headers=english).text)
    problem = site.client.get("/api/sample-images", headers=english).get_json()["trouble"]
    assert problem.startswith("Cannot reach OSS (connection ")
    assert problem in page


def test_every_page_and_call_answers_during_an_outage(
    settings: Settings, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    oss.is_down = True
    site = Site(settings, oss, jimeng)
    asked = len(oss.calls)
    for path in ("/", "/batch", "/records", "/samples", "/api/models", "/api/records"):
        assert site.client.get(path).status_code == 200, path
    assert "连不上 OSS" in site.client.get("/samples").text
    assert len(oss.calls) == asked > 0  # none of them waits for OSS
    assert "连不上 OSS" in site.get("sample-images", 502)["error"]
    upload = {"file": (io.BytesIO(noise_image("png")), "a.png")}
    assert site.client.post("/api/sample-images", data=upload).status_code == 502
    site.db.close()


def test_the_api_lists_a_bucket_like_a_folder(site: Site) -> None:
    upload = {"file": (io.BytesIO(noise_image("png")), "风格 参考.png")}
    added = site.client.post("/api/sample-images", data=upload).get_json()["images"][0]
    page = site.get("sample-images?search=风格&limit=10")
    assert (page["images"], page["total"], page["source"], page["stale"]) == ([added], 1, "oss", False)
    shown = site.client.get(added["thumbnail_url"])
    assert shown.status_code == 302
    assert "x-oss-signature=" in shown.headers["Location"]
    assert "private" in shown.headers["Cache-Control"]
    answer = site.client.patch(f"/api/sample-images/{added['key']}", json={"filename": "新/名.jpg"})
    assert answer.get_json()["images"][0]["filename"] == "新_名.png"
    assert site.client.get(added["url"]).status_code == 302  # its old URL still works


@pytest.mark.parametrize("body", [{}, {"filename": ""}, {"filename": 5}, {"filename": "..."}])
def test_an_image_needs_a_name(site: Site, body: dict[str, object]) -> None:
    image = site.add("红茶")
    answer = site.client.patch(f"/api/sample-images/{image.key}", json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "filename")


def test_uses_are_counted_by_url_and_hash_without_deleted_records(site: Site) -> None:
    often, never = site.add("常用"), site.add("没用")
    ids = site.queue(row("一", often), row("二", often, often), row("三"))
    renamed = site.library.rename(often.key, "改名")
    body = {"keys": [renamed.key, never.key]}
    counted = site.post("sample-images/uses", body)["uses"]
    assert counted == {renamed.key: 2, never.key: 0}
    site.work_off()
    database.delete_records(site.db, ids[:1])
    assert site.post("sample-images/uses", body)["uses"][renamed.key] == 1


def test_uses_of_a_manually_added_image_are_counted(settings: Settings) -> None:
    settings.samples_dir.mkdir()
    (settings.samples_dir / "手 放.png").write_bytes(noise_image("png"))
    client = create_app(settings).test_client()
    image = get(client, "/api/sample-images")["images"][0]
    reference = {"url": image["url"], "filename": image["filename"]}
    post(client, "/api/batches", {"rows": [{"prompt": "猫", "sample_images": [reference]}]}, 202)
    assert post(client, "/api/sample-images/uses", {"keys": [image["key"]]})["uses"] == {image["key"]: 1}


@pytest.mark.parametrize("keys", [None, "a", [1], ["a"] * 201])
def test_only_a_list_of_keys_is_counted(site: Site, keys: object) -> None:
    assert site.post("sample-images/uses", {"keys": keys}, 400)["field"] == "keys"


@pytest.mark.parametrize(
    "text", ["[]", "", "null", "not json", '["a"]', '{"url": "x"}', "[{}]", '[{"url": 5}]']
)
def test_any_references_written_by_another_program_are_accepted(db: database.Connection, text: str) -> None:
    db.execute("INSERT INTO generation_records (prompt, sample_images) VALUES ('x', :text)", {"text": text})
    db.execute("DELETE FROM generation_records")
    assert db.execute("SELECT count(*) FROM reference_uses").fetchone()[0] == 0


def test_a_manually_added_image_is_measured_before_submission(site: Site) -> None:
    image = site.by_hand(noise_image("png", size=(400, 100)))
    (record,) = site.order(row("猫", image))
    assert (record.status, site.jimeng.charges) == (Status.FAILED, 0)
    assert "太窄或太扁" in str(record.error)
    answer = site.post("batches", {"rows": [row("猫", image)]}, 400)  # cached from now on
    assert "太窄或太扁" in answer["problems"][0]["error"]


def test_an_image_oss_cannot_measure_is_sent_unchanged(site: Site) -> None:
    image = site.by_hand(noise_image("png"))
    ids = site.queue(row("一", image))
    site.oss.fail_next("denied", operation="get")
    site.work_off()
    assert site.records(ids)[0].status is Status.SUCCESS
    assert site.jimeng.charges == 1


HAND_PUT = {"url": "/samples/files/手放.png", "filename": "手放.png"}


@pytest.mark.parametrize(
    "name", ["手放.png", "茶 具/🍵 100%41 #1?.PNG", "e\u0301té+b&c=d%20.jpg", "猫" * 300 + ".png"]
)
def test_a_record_shows_its_reference_after_replacement(site: Site, name: str) -> None:
    image = site.by_hand(packed(RED, name), name)
    (first,) = site.queue(row("一", image))
    site.work_off()
    site.by_hand(packed(BLUE, name), name)
    (second,) = site.queue(row("二", image))
    site.work_off()
    assert {record.status for record in site.records([first, second])} == {Status.SUCCESS}
    for address in ("url", "thumbnail_url"):
        assert [is_red(site.fetch(site.used(n)[address])) for n in (first, second)] == [True, False]
    assert [status for _, status in site.jimeng.fetched] == [200, 200]
    assert [found["key"] for found in site.get("sample-images")["images"]] == [name]
    del site.oss.objects[PREFIX + name]  # even when it is deleted
    site.library.refresh()
    assert site.shows_red(first)
    assert site.oss.count("copy") == 2


@pytest.mark.parametrize("field", ["request", "api"])
def test_a_used_reference_can_be_requested_again_after_replacement(site: Site, field: str) -> None:
    image = site.by_hand(packed(RED))
    (first,) = site.queue(row("一", image))
    site.work_off()
    site.by_hand(packed(BLUE))
    shown = site.used(first)
    if field == "request":  # as the pages send it for 再来一张
        shown = dataclasses.asdict(database.get_record(site.db, first).request)["sample_images"][0]
    reference = {"url": shown["url"], "filename": shown["filename"]}
    again = site.queue(row("二") | {"sample_images": [reference]})
    site.work_off()
    assert site.records(again)[0].sample_images == site.records([first])[0].sample_images
    assert site.shows_red(again[0])
    (sent,) = site.library.resolve(site.records(again)[0].sample_images, BYTES)
    assert is_red(sent.content or b"")
    uses = site.post("sample-images/uses", {"keys": [image.key]})["uses"]
    assert uses == {image.key: 2}


def test_the_chosen_reference_is_sent_although_replaced_while_queued(site: Site) -> None:
    ids = site.queue(row("一", site.by_hand(packed(RED))))
    assert site.library.refresh_when_requested(0)
    assert not site.library.refresh_when_requested(0)
    site.by_hand(packed(BLUE))
    site.work_off()
    assert site.records(ids)[0].status is Status.SUCCESS
    (address,) = [call.key for call in site.oss.calls if call.operation == "signed_url"]
    assert is_red(site.oss.objects[address].content)


def test_the_worker_threads_snapshot_chosen_references(site: Site) -> None:
    image = site.by_hand(packed(RED))
    with running(site.runtime):
        site.library.pin([SampleImage(url=image.url, filename="手放.png")])
        wait_until(lambda: bool(site.oss.count("copy")))
    assert site.oss.count("copy") == 1


def test_checking_rows_asks_oss_nothing_and_snapshots_nothing(site: Site) -> None:
    image, other = site.by_hand(packed(RED)), row("猫") | {"sample_images": []}
    unlisted = row("狗") | {"sample_images": [{"url": "/samples/files/none.png", "filename": "a.png"}]}
    earlier = len(site.oss.calls)
    rows = [row("猫", image), other, unlisted]
    assert [found["missing"] for found in site.post("rows/check", {"rows": rows})["rows"]] == [1] * 3
    assert len(site.oss.calls) == earlier
    assert not site.library.refresh_when_requested(0)
    ids = site.queue(row("猫", image))
    found = site.post("rows/check", {"rows": rows})["rows"]
    assert [each["under_way"] for each in found] == [ids, [], []]


def test_a_stale_list_is_refreshed_before_references_are_fixed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_cache, "FIRST_WAIT", 60.0)
    with monkeypatch.context() as patched:
        patched.setattr(list_cache, "FRESH_SECONDS", -1.0)
        patched.setattr(list_cache, "SHARED_FRESH_SECONDS", -1.0)
        image = site.by_hand(packed(RED))
    site.oss.put(f"{PREFIX}手放.png", packed(BLUE))
    with running(site.runtime):
        (record_id,) = site.queue(row("一", image))
        wait_until(lambda: site.have_ended([record_id]))
    assert site.records([record_id])[0].status is Status.SUCCESS
    assert not site.shows_red(record_id)


def test_while_oss_is_away_references_are_fixed_as_last_listed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = site.by_hand(packed(RED))
    site.oss.is_down = True
    site.library.refresh()
    ids = site.queue(row("一", image), row("二", image))
    assert {record.sample_images[0].etag for record in site.records(ids)} == {
        site.oss.objects[PREFIX + image.key].etag
    }
    site.oss.is_down = False
    monkeypatch.setattr(bucket, "BREAKER_SECONDS", 0.0)
    site.work_off()
    site.by_hand(packed(BLUE))
    assert {record.status for record in site.records(ids)} == {Status.SUCCESS}
    assert all(site.shows_red(record_id) for record_id in ids)


def test_an_image_put_there_since_the_list_was_read_is_looked_up_once(site: Site) -> None:
    site.oss.put(f"{PREFIX}手放.png", packed(RED))
    ids = site.queue(*[row("猫") | {"sample_images": [HAND_PUT]}] * 4)
    assert site.oss.count("head") == 1
    site.work_off()
    site.by_hand(packed(BLUE))
    assert {record.status for record in site.records(ids)} == {Status.SUCCESS}
    assert site.shows_red(ids[0])


def test_an_image_that_was_never_listed_is_refused_while_oss_is_away(site: Site) -> None:
    site.oss.is_down = True
    answer = site.post("batches", {"rows": [row("猫") | {"sample_images": [HAND_PUT]}]}, 502)
    assert "连不上 OSS" in answer["error"]
    assert database.count_records(site.db, database.RecordFilter()) == 0


def test_a_reference_replaced_during_the_snapshot_is_not_sent_and_not_charged(site: Site) -> None:
    ids = site.queue(row("一", site.by_hand(packed(RED))))
    site.oss.before_next("copy", lambda: site.oss.put(f"{PREFIX}手放.png", packed(BLUE)))
    site.work_off()
    (record,) = site.records(ids)
    assert "「手放.png」排队之后被换成了另一张" in str(record.error)
    assert (record.status, record.cause, site.jimeng.calls) == (Status.FAILED, "request", [])
    assert site.db.execute("SELECT count(*) FROM charges").fetchone()[0] == 0
    assert list(site.oss.objects) == [f"{PREFIX}手放.png"]


def test_two_servers_that_race_to_snapshot_an_image_both_get_it(site: Site) -> None:
    ids = site.queue(row("一", site.by_hand(packed(RED))))
    (image,) = site.records(ids)[0].sample_images

    def another_is_faster() -> None:
        site.oss.put(f"{PREFIX}.pinned/{image.etag}.png", packed(RED))
        site.oss.put(f"{PREFIX}手放.png", packed(BLUE))

    site.oss.before_next("copy", another_is_faster)
    site.work_off()
    assert site.records(ids)[0].status is Status.SUCCESS
    assert site.shows_red(ids[0])


def test_many_records_share_one_snapshot(site: Site) -> None:
    image = site.by_hand(packed(RED))
    ids = site.queue(*[row(f"第 {n} 张", image) for n in range(8)])
    with running(site.runtime):
        wait_until(lambda: site.have_ended(ids))
    assert {record.status for record in site.records(ids)} == {Status.SUCCESS}
    assert len([key for key in site.oss.objects if "/.pinned/" in key]) == 1
    assert {status for _, status in site.oss.statuses} <= {200, 404}


def test_a_read_only_key_generates_and_never_shows_the_wrong_image(site: Site) -> None:
    site.oss.denied = {"put", "delete"}
    image = site.by_hand(packed(RED))
    ids = site.queue(*[row(f"第 {n} 张", image) for n in range(3)])
    site.work_off()
    assert {record.status for record in site.records(ids)} == {Status.SUCCESS}
    assert site.oss.count("copy") == 1  # a refused copy is not retried at once
    assert site.shows_red(ids[0])
    waiting = site.queue(row("换了", image))
    site.by_hand(packed(BLUE))
    site.work_off()
    (refused,) = site.records(waiting)
    assert "换成了另一张" in str(refused.error)
    assert (refused.status, site.jimeng.charges) == (Status.FAILED, 3)
    assert site.client.get(site.used(ids[0])["thumbnail_url"]).status_code == 404
    again = {"url": site.used(ids[0])["url"], "filename": "手放.png"}
    answer = site.post("batches", {"rows": [row("二") | {"sample_images": [again]}]}, 400)
    assert "找不到" in answer["problems"][0]["error"]


def test_a_throttled_snapshot_is_retried(site: Site) -> None:
    ids = site.queue(row("一", site.by_hand(packed(RED))))
    site.oss.fail_next("busy", operation="copy")
    run_once(site.runtime, site.db)
    (record,) = site.records(ids)
    assert (record.status, site.jimeng.charges) == (Status.QUEUED, 0)
    assert "忙不过来" in str(record.error)


def test_after_a_restart_snapshots_are_known_before_the_list(site: Site, clock: Clock) -> None:
    (record_id,) = site.queue(row("一", site.by_hand(packed(RED))))
    site.work_off()
    deleted = site.add("删了")
    site.by_hand(packed(BLUE))
    site.library.delete(deleted.key)
    site.library.refresh()
    earlier = len(site.oss.calls)
    opened = Library(site.runtime.settings, clock)
    (image,) = site.records([record_id])[0].sample_images
    shown = opened.thumbnail(unquote(image.pinned.url.removeprefix("/samples/files/")))
    assert ".pinned/" in str(shown)
    assert ".trash/" in str(opened.file(deleted.key))
    assert len(site.oss.calls) == earlier
    without_memory = replace(site.runtime.settings, samples_dir=site.runtime.settings.samples_dir / "new")
    opened = Library(without_memory, clock)
    opened.refresh()
    assert ".pinned/" in str(opened.thumbnail(unquote(image.pinned.url.removeprefix("/samples/files/"))))


def test_a_manually_added_image_is_identified_by_content_after_rename_or_deletion(site: Site) -> None:
    image = site.by_hand(packed(RED))
    (waiting,) = site.queue(row("一", image))
    site.library.delete(image.key)
    site.work_off()  # copied out of the trash
    assert site.records([waiting])[0].status is Status.SUCCESS
    site.library.rename(site.library.restore(image.key).key, "新名")
    (again,) = site.queue(row("二", site.library.image("新名.png")))
    assert site.records([again])[0].sample_images[0].etag == site.records([waiting])[0].sample_images[0].etag
    assert site.shows_red(waiting)
