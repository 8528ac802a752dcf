"""Jimeng against its fake: requests, responses, and what errors mean for the charge."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from app.config import Settings
from app.domain import USUAL_RATIOS, ImageRequest, ModelSpec, Reference, SampleImage
from app.errors import Billed
from app.providers import polling
from app.providers.downloads import Downloads
from app.providers.jimeng import Jimeng
from app.providers.jimeng_errors import submit_error
from tests.providers.services import FOX, answer, failure, opened, size_of
from tools.fakes.clock import Clock
from tools.fakes.images import make_image
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.service import Submission


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> Iterator[FakeJimeng]:
    with FakeJimeng(clock=clock, latency=2.0) as running:
        yield running


def submitted(model: Jimeng, request: ImageRequest = FOX) -> str:
    task_id = model.submit(request, ()).task_id
    assert task_id
    return task_id


# Submitting and fetching


def test_a_submission_sends_exactly_the_requested_fields(service: FakeJimeng, model: Jimeng) -> None:
    request = replace(FOX, negative_prompt="人物", seed=7, steps=30)
    model.submit(request, ())
    assert service.submissions[0].body == {
        "req_key": "jimeng_t2i_v40",
        "prompt": "一只红狐狸\n画面中不要出现：人物",
        "width": 2560,
        "height": 1440,
        "force_single": True,
    }


@pytest.mark.parametrize("asked", [False, True])
def test_the_visible_mark_is_asked_for_in_the_query(service: FakeJimeng, clock: Clock, asked: bool) -> None:
    model = opened(service, watermark=asked)
    picture = model.fetch(submitted(model), clock.sleep)
    query = next(call for step, call in service.calls if step == "poll")
    wanted = json.loads(query.fields["req_json"])
    assert wanted == {"return_url": True} | ({"logo_info": {"add_logo": True}} if asked else {})
    assert "logo_info" not in service.submissions[0].body
    assert picture.watermark is asked


def test_the_implicit_mark_is_asked_for_at_every_fetch(service: FakeJimeng, clock: Clock) -> None:
    model = opened(service, jimeng_aigc_producer="91110108MA01")
    task_id = submitted(model)
    assert [model.fetch(task_id, clock.sleep).tagged for _ in range(2)] == [True, True]
    queries = [json.loads(call.fields["req_json"]) for step, call in service.calls if step == "poll"]
    asked = {
        **dict.fromkeys(("content_producer", "content_propagator"), "91110108MA01"),
        **dict.fromkeys(("producer_id", "propagate_id"), task_id),
    }
    assert all(query["aigc_meta"] == asked for query in queries)
    assert "aigc_meta" not in service.submissions[0].body


def test_without_a_producer_nothing_is_said_of_the_implicit_mark(model: Jimeng, clock: Clock) -> None:
    assert model.fetch(submitted(model), clock.sleep).tagged is None


def test_references_are_sent_as_urls(service: FakeJimeng, model: Jimeng) -> None:
    model.submit(FOX, [Reference(filename="a.png", url="https://example.com/a.png?x=1&y=2")])
    assert service.submissions[0].body["image_urls"] == ["https://example.com/a.png?x=1&y=2"]


NOBODY = "http://127.0.0.1:9"
HERE = Reference(filename="b.png", content=make_image(64, 64))
NEWER = {"jimeng_req_key": "jimeng_seedream46_cvtob"}
SWITCHED = {"jimeng_local_references": True}
FAR = Reference(filename="a.png", url="https://example.com/a.png")


@pytest.mark.parametrize(
    ("req_key", "percent", "scale"),
    [
        ("jimeng_t2i_v40", 1, 0.99),
        ("jimeng_t2i_v40", 43, 0.57),
        ("jimeng_t2i_v40", 100, 0.0),
        ("jimeng_seedream46_cvtob", 1, 99),
        ("jimeng_seedream46_cvtob", 99, 1),
        ("jimeng_seedream46_cvtob", 100, 1),
    ],
)
def test_a_stronger_reference_is_a_smaller_scale(
    service: FakeJimeng, req_key: str, percent: int, scale: float
) -> None:
    reference = FAR if req_key == "jimeng_t2i_v40" else HERE
    opened(service, jimeng_req_key=req_key).submit(replace(FOX, reference_strength=percent), [reference])
    sent = service.submissions[0].body["scale"]
    assert (type(sent), sent) == (type(scale), scale)


def test_without_references_or_a_strength_no_scale_is_sent(service: FakeJimeng, model: Jimeng) -> None:
    model.submit(replace(FOX, reference_strength=30), ())
    model.submit(FOX, [FAR])
    assert not any("scale" in order.body for order in service.submissions)
    image = SampleImage(url="https://example.com/a.png", filename="a.png")
    strong = replace(FOX, reference_strength=30)
    assert model.spec.strip_unsupported(strong) == FOX
    assert model.spec.strip_unsupported(replace(strong, sample_images=(image,))).reference_strength == 30


def test_an_unlisted_req_key_takes_no_strength(model: Jimeng) -> None:
    spec = Jimeng(Settings(jimeng_req_key="jimeng_t2i_v99")).spec
    assert not spec.options
    assert "JIMENG_REQ_KEY" in str(spec.field_notes["reference_strength"])


def test_a_reference_without_a_url_is_refused_before_submission(service: FakeJimeng, model: Jimeng) -> None:
    error = failure(lambda: model.submit(FOX, [Reference(filename="a.png", content=b"x")]))
    assert error.billed is Billed.NO
    assert service.calls == []


@pytest.mark.parametrize("settings", [NEWER, SWITCHED], ids=["4.6", "4.0 with the switch"])
def test_references_of_this_computer_are_sent_as_bare_base64(
    service: FakeJimeng, settings: dict[str, Any]
) -> None:
    other = make_image(80, 64)
    model = opened(service, **settings)
    model.submit(FOX, [HERE, replace(HERE, content=other)])
    body = service.submissions[0].body
    assert [base64.b64decode(each) for each in body["binary_data_base64"]] == [HERE.content, other]
    assert "image_urls" not in body
    limits = model.spec.reference_limits
    assert (limits.max_bytes, limits.recompresses) == (4_700_000, True)


@pytest.mark.parametrize("settings", [NEWER, SWITCHED], ids=["4.6", "4.0 with the switch"])
def test_an_address_beside_a_local_reference_is_fetched_and_sent_in_its_place(
    service: FakeJimeng, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setattr(Downloads, "fetch", lambda _self, _url: HERE.content)
    opened(service, **settings).submit(FOX, [FAR, HERE])
    body = service.submissions[0].body
    assert (len(body["binary_data_base64"]), "image_urls" in body) == (2, False)


def test_with_the_switch_addresses_alone_are_sent_as_before(service: FakeJimeng) -> None:
    opened(service, **SWITCHED).submit(FOX, [FAR])
    assert service.submissions[0].body["image_urls"] == [FAR.url]


def test_the_switch_is_for_4_0_alone_and_says_what_is_not_known() -> None:
    def spec(**settings: Any) -> ModelSpec:
        return Jimeng(Settings(**settings)).spec

    assert "没有证实" in str(spec(**SWITCHED).field_notes["sample_images"])
    assert [spec(**more).tries_local for more in (SWITCHED, {}, NEWER | SWITCHED)] == [True, False, False]
    assert spec(**SWITCHED, jimeng_req_key="jimeng_t2i_v99").local_reference_problem
    assert not spec(**SWITCHED).local_reference_problem


def test_a_reference_that_is_too_small_is_refused_and_free(service: FakeJimeng) -> None:
    small = replace(HERE, content=make_image(8, 8))
    error = failure(lambda: opened(service, **NEWER).submit(FOX, [small]))
    assert (error.cause, error.billed, error.retryable) == ("request", Billed.NO, False)
    assert "50207" in str(error)


def test_the_task_id_keeps_all_twenty_digits(model: Jimeng) -> None:
    task_id = submitted(model)
    assert len(task_id) == 20
    assert task_id.startswith("147906604366612350")


def test_the_first_poll_follows_the_learned_latency(service: FakeJimeng, model: Jimeng, clock: Clock) -> None:
    for _ in range(12):
        model.fetch(submitted(model), clock.sleep)
    polls = service.count("poll")
    clock.pauses.clear()
    for _ in range(20):
        model.fetch(submitted(model), clock.sleep)
    assert service.count("poll") - polls <= 3 * 20
    assert sum(clock.pauses) <= 20 * service.latency * 1.05


def test_a_task_from_before_a_restart_is_polled_at_once(
    service: FakeJimeng, model: Jimeng, clock: Clock
) -> None:
    task_id = submitted(model)
    clock.sleep(60)
    clock.pauses.clear()
    opened(service).fetch(task_id, clock.sleep)
    assert clock.pauses == [0.0]


def test_poll_intervals_grow_to_three_seconds(
    service: FakeJimeng, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_FIRST_TURN", 1.0)
    service.latency = 1000
    slow = opened(service, model_timeout=200)
    failure(lambda: slow.fetch(submitted(slow), clock.sleep))
    assert clock.pauses[0] == pytest.approx(1.0, abs=0.1)
    assert max(clock.pauses) == pytest.approx(3.0)
    assert len(clock.pauses) < 180


def test_a_task_may_be_fetched_twice(service: FakeJimeng, model: Jimeng, clock: Clock) -> None:
    task_id = submitted(model)
    assert model.fetch(task_id, clock.sleep) == model.fetch(task_id, clock.sleep)
    assert service.charges == 1


def test_base64_images_are_accepted(service: FakeJimeng, model: Jimeng, clock: Clock) -> None:
    task_id = submitted(model)
    clock.now += 10

    def as_base64(order: Submission, with_url: bool, tagged: bool = False) -> dict[str, Any]:
        return FakeJimeng._done(service, order, False, tagged)

    service._done = as_base64  # type: ignore[method-assign]
    assert size_of(model.fetch(task_id, clock.sleep).content) == (2560, 1440)


def test_the_newer_req_key_is_sent(service: FakeJimeng) -> None:
    newer = opened(service, jimeng_req_key="jimeng_seedream46_cvtob")
    newer.submit(FOX, ())
    assert service.submissions[0].body["req_key"] == "jimeng_seedream46_cvtob"
    assert newer.spec.label == "即梦 4.6"


# The model spec


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        ("1:1", "1K", "1024x1024"),
        ("16:9", "2K", "2560x1440"),
        ("9:16", "2K", "1440x2560"),
        ("4:3", "4K", "4694x3520"),
        ("3:4", "4K", "3520x4694"),
        ("2:3", "2K", "1664x2496"),
        ("16:9", "4K", "5404x3040"),
    ],
)
def test_published_sizes_are_used(model: Jimeng, ratio: str, resolution: str, size: str) -> None:
    assert str(model.spec.sizes[ratio, resolution]) == size


@pytest.mark.parametrize("ratio", USUAL_RATIOS)
def test_small_sizes_have_the_exact_ratio_above_the_minimum(model: Jimeng, ratio: str) -> None:
    size = model.spec.sizes[ratio, "1K"]
    across, down = map(int, ratio.split(":"))
    assert size.width * down == size.height * across
    assert 1_048_576 <= size.area < 1_070_000


def test_the_spec_explains_unsupported_fields(model: Jimeng) -> None:
    assert not model.spec.takes_seed
    assert not model.spec.takes_steps
    assert model.spec.negative_prompt == "folded"
    assert {"negative_prompt", "seed", "steps"} <= set(model.spec.field_notes)


def test_a_local_reference_is_refused(model: Jimeng) -> None:
    local = replace(FOX, sample_images=(SampleImage(url="/samples/a.png", filename="a.png"),))
    assert model.spec.validate(local)[0].field == "sample_images"


# Failed submissions


def test_a_refused_reference_is_final_and_free(service: FakeJimeng, model: Jimeng) -> None:
    reference = Reference(filename="a.png", url="https://example.com/banned.png")
    error = failure(lambda: model.submit(FOX, [reference]))
    assert (error.cause, error.billed, error.retryable) == ("moderation", Billed.NO, False)


def test_an_unknown_req_key_pauses(service: FakeJimeng) -> None:
    error = failure(lambda: opened(service, jimeng_req_key="jimeng_t2i_v99").submit(FOX, ()))
    assert error.pauses_batch
    assert "JIMENG_REQ_KEY" in str(error)


@pytest.mark.parametrize(
    ("address", "has_proxy", "said"),
    [
        pytest.param(NOBODY, False, "连接被拒绝", id="nobody listens"),
        pytest.param("http://service.invalid", True, "连接被拒绝", id="nobody listens at the proxy"),
        pytest.param("https://nowhere.com", False, "域名解析失败", id="an unknown host"),
        pytest.param("https://{name}", False, "连不上即梦", id="no TLS there"),
    ],
)
def test_a_failed_connection_is_free_and_retried(
    service: FakeJimeng, monkeypatch: pytest.MonkeyPatch, address: str, has_proxy: bool, said: str
) -> None:
    if has_proxy:
        monkeypatch.setenv("HTTP_PROXY", NOBODY)
    model = opened(service, jimeng_endpoint=address.format(name=service.address.removeprefix("http://")))
    error = failure(lambda: model.submit(FOX, ()))
    assert (error.cause, error.billed, error.retryable) == ("network", Billed.NO, True)
    assert said in str(error)


def test_a_service_on_this_machine_is_reached_without_a_proxy(
    service: FakeJimeng, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    assert submitted(opened(service))


def test_redirects_are_not_followed(service: FakeJimeng, model: Jimeng) -> None:
    service.fail_next("redirect")
    error = failure(lambda: model.submit(FOX, ()))
    assert error.billed is Billed.NO
    assert error.pauses_batch


def test_submissions_use_fresh_connections(service: FakeJimeng, model: Jimeng, clock: Clock) -> None:
    model.fetch(submitted(model), clock.sleep)
    model.submit(FOX, ())
    orders = [call for step, call in service.calls if step == "submit"]
    assert [call.headers["connection"] for call in orders] == ["close", "close"]


def test_error_texts_of_the_service_are_redacted() -> None:
    fields = {"code": 59999, "message": "key c2VjcmV0 AKLTabcdefgh is odd"}
    error = submit_error(answer(400, fields), "c2VjcmV0")
    assert error
    assert "c2VjcmV0" not in str(error)
    assert "AKLTabcdefgh" not in str(error)


# Failures while fetching


@pytest.mark.parametrize("fault", ["reset", "drop", "cut", "html", "500", "502", "busy"])
def test_polling_survives_every_transient_failure(
    service: FakeJimeng, model: Jimeng, clock: Clock, fault: str
) -> None:
    task_id = submitted(model)
    service.fail_next(fault, step="poll", times=3)
    assert size_of(model.fetch(task_id, clock.sleep).content) == (2560, 1440)
    assert service.charges == 1


@pytest.mark.parametrize("fault", ["dead_url", "cut", "reset", "html", "502"])
def test_a_failed_download_requests_a_new_url(
    service: FakeJimeng, model: Jimeng, clock: Clock, fault: str
) -> None:
    task_id = submitted(model)
    service.fail_next(fault, step="download", times=2)
    assert size_of(model.fetch(task_id, clock.sleep).content) == (2560, 1440)
    paths = [call.path for step, call in service.calls if step == "download"]
    assert len(set(paths)) == 3


def test_a_permanently_failed_download_keeps_its_task_id(
    service: FakeJimeng, model: Jimeng, clock: Clock
) -> None:
    task_id = submitted(model)
    service.fail_next("dead_url", step="download", times=50)
    error = failure(lambda: model.fetch(task_id, clock.sleep))
    assert (error.cause, error.billed, error.retryable) == ("download", Billed.YES, True)
    assert error.task_valid
    assert not error.url_expired
    assert service.count("download") == 4


def test_a_refused_output_is_free_and_may_be_resubmitted(
    service: FakeJimeng, model: Jimeng, clock: Clock
) -> None:
    request = replace(FOX, prompt="审图")
    error = failure(lambda: model.fetch(submitted(model, request), clock.sleep))
    assert (error.cause, error.billed, error.retryable) == ("moderation", Billed.NO, True)
    assert not error.task_valid
    model.fetch(submitted(model, request), clock.sleep)
    assert service.charges == 1


def test_a_failed_task_is_free(service: FakeJimeng, model: Jimeng, clock: Clock) -> None:
    error = failure(lambda: model.fetch(submitted(model, replace(FOX, prompt="画崩")), clock.sleep))
    assert (error.cause, error.billed, error.retryable) == ("service", Billed.NO, False)
    assert service.charges == 0


def test_a_task_that_is_unknown_or_older_than_twelve_hours_is_lost(model: Jimeng, clock: Clock) -> None:
    old = submitted(model)
    clock.now += 13 * 3600
    for task_id in (old, "123"):
        error = failure(partial(model.fetch, task_id, clock.sleep))
        assert (error.cause, error.billed, error.retryable) == ("expired", Billed.UNKNOWN, False)
        assert not error.task_valid


def test_a_timed_out_task_keeps_its_task_id(service: FakeJimeng, model: Jimeng, clock: Clock) -> None:
    service.latency = 1000
    task_id = submitted(model)
    error = failure(lambda: model.fetch(task_id, clock.sleep))
    assert (error.cause, error.billed, error.retryable) == ("timeout", Billed.UNKNOWN, False)
    assert error.task_valid
    clock.now += 1000
    model.fetch(task_id, clock.sleep)
    assert service.charges == 1


def test_a_key_revoked_during_polling_pauses_and_keeps_the_task_id(
    service: FakeJimeng, model: Jimeng, clock: Clock
) -> None:
    task_id = submitted(model)
    service.fail_next("key", step="poll")
    error = failure(lambda: model.fetch(task_id, clock.sleep))
    assert (error.cause, error.billed, error.pauses_batch) == ("key", Billed.UNKNOWN, True)
    assert error.task_valid
    model.fetch(task_id, clock.sleep)


def test_an_interrupted_sleep_ends_polling(model: Jimeng) -> None:
    with pytest.raises(InterruptedError):
        model.fetch(submitted(model), Mock(side_effect=InterruptedError))
