"""The bucket through the real oss2, before a fake that computes every signature itself."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import oss2
import pytest
import requests

import oss_client
from app.config import Settings
from app.errors import BucketError, Conflict, NotFound, SettingError
from oss_client import Bucket
from tools.fakes.clock import Clock
from tools.fakes.oss import FakeOss, v4_signature
from tools.noise_images import noise_image

KEYS = ("红 茶.png", "a+b&c=d%41 #1?.png", "🍵/龙井 e\u0301.jpg", "~-_.'()*!.webp", "猫" * 300 + ".png")


@pytest.fixture
def bucket(oss: FakeOss) -> Bucket:
    return open_bucket(oss)


def open_bucket(oss: FakeOss, **more: Any) -> Bucket:
    return Bucket(Settings(**oss.settings(**more)), sleep=lambda _seconds: None)


def address(**given: Any) -> oss_client.Address:
    usual = {"oss_access_key_id": "LTAI", "oss_access_key_secret": "s", "oss_bucket": "demo-bucket"}
    return oss_client.read_address(Settings(oss_enabled=True, **{**usual, **given}))


@pytest.mark.parametrize("key", KEYS)
def test_any_key_round_trips(oss: FakeOss, bucket: Bucket, key: str) -> None:
    bucket.put(key, b"content", "image/png")
    assert bucket.fetch(key) == b"content"
    assert (bucket.head(key).size, [found.key for found in bucket.list_objects("")]) == (7, [key])
    url = bucket.signed_url(key, seconds=60)
    assert requests.get(url, timeout=60).content == b"content"
    bucket.copy(key, f"moved/{key}")
    bucket.delete(key)
    bucket.delete(key)
    for ask in (bucket.head, bucket.fetch):
        with pytest.raises(NotFound):
            ask(key)
    assert list(oss.objects) == [f"moved/{key}"]
    assert oss.objects[f"moved/{key}"].media_type == "image/png"


@pytest.mark.parametrize("key", KEYS)
def test_a_copy_requires_the_expected_content(oss: FakeOss, bucket: Bucket, key: str) -> None:
    oss.put(key, b"one")
    etag = bucket.head(key).etag
    bucket.copy(key, "copy.png", if_match=etag)
    oss.put(key, b"two")
    with pytest.raises(Conflict):
        bucket.copy(key, "copy.png", if_match=etag)
    with pytest.raises(NotFound):
        bucket.copy("none.png", "copy.png", if_match=etag)
    assert oss.objects["copy.png"].content == b"one"
    assert [call.headers["x-oss-copy-source-if-match"] for call in oss.calls[1:]] == [etag] * 3


@pytest.mark.parametrize(
    "source", ["/demo-bucket/红.png", "/demo-bucket/a b.png", "/demo-bucket/a%.png", "a.png"]
)
def test_the_fake_accepts_only_a_correctly_encoded_copy_source(oss: FakeOss, source: str) -> None:
    auth = oss2.AuthV4("LTAItest", "secretkey")
    bucket = oss2.Bucket(auth, oss.address, "demo-bucket", region="cn-hangzhou")
    headers = {"x-oss-copy-source": source.encode().decode("latin-1")}
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.put_object("b.png", b"", headers=headers)
    assert caught.value.code in ("InvalidArgument", "SignatureDoesNotMatch")
    assert oss.objects == {}


def test_a_listing_is_read_completely_in_pages_of_a_thousand(oss: FakeOss, bucket: Bucket) -> None:
    began = time.time()
    for number in range(2_500):
        oss.put(f"refs/猫 {number:05}.png", b"x")
    oss.put("elsewhere/a.png", b"x")
    found = list(bucket.list_objects("refs/"))
    assert [each.key for each in found] == [f"refs/猫 {number:05}.png" for number in range(2_500)]
    assert oss.count("list") == 3
    assert abs(found[0].modified_at - began) < 3_000  # not off by a time zone


@pytest.mark.parametrize("lists", ["same", "circle", "no_token"])
def test_a_listing_that_repeats_a_page_is_an_error(oss: FakeOss, bucket: Bucket, lists: str) -> None:
    oss.put("a.png", b"x")
    oss.broken_listing = lists
    with pytest.raises(BucketError, match="翻页时回到了前面") as caught:
        list(islice(bucket.list_objects(""), 100))
    assert not caught.value.transient


def test_a_listing_of_empty_pages_is_an_error(
    oss: FakeOss, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oss_client, "MOST_PAGES", 20, raising=False)
    oss.broken_listing = "empty"
    with pytest.raises(BucketError, match="文件太多"):
        list(bucket.list_objects("refs/"))
    assert oss.count("list") == 20


@pytest.mark.parametrize(("bound", "most"), [("MOST_KEYS", 1_500), ("MOST_LIST_CHARACTERS", 60_000)])
def test_a_listing_beyond_the_limit_names_the_setting(
    oss: FakeOss, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    for number in range(2_500):
        oss.put(f"refs/{number:05}.png", b"x")
    monkeypatch.setattr(oss_client, bound, most, raising=False)
    with pytest.raises(BucketError, match=r"refs/.*OSS_SAMPLE_PREFIX"):
        list(bucket.list_objects("refs/"))
    assert oss.count("list") == 2
    output = Bucket(Settings(**oss.settings(oss_output_prefix="refs/")))
    with pytest.raises(BucketError, match=r"refs/0.*OSS_OUTPUT_PREFIX"):
        list(output.list_objects("refs/0"))


@pytest.mark.parametrize("ask", [lambda bucket: list(bucket.list_objects("")), lambda b: b.fetch("a.png")])
def test_an_oversized_response_is_not_read_to_its_end(
    oss: FakeOss, bucket: Bucket, ask: Callable[[Bucket], object]
) -> None:
    oss.put("a.png", b"x")
    oss.padding = 100 * 1024 * 1024
    with pytest.raises(BucketError, match="OSS 的答复太大") as caught:
        ask(bucket)
    assert not caught.value.transient


def test_signed_urls_are_independent(bucket: Bucket, oss: FakeOss) -> None:
    oss.put("refs/a.png", noise_image("png", size=(640, 320)))
    change = "image/auto-orient,1/resize,m_lfit,w_320,h_320/format,webp"
    small, whole, again = (
        bucket.signed_url("refs/a.png", seconds=60, process=c) for c in (change, "", change)
    )
    assert "/refs/a.png?" in whole
    assert requests.get(small, timeout=60).content[8:12] == b"WEBP"
    assert requests.get(whole, timeout=60).content.startswith(b"\x89PNG")
    assert requests.get(again, timeout=60).status_code == 200
    assert requests.get(f"{whole}&x-oss-process={change}", timeout=60).status_code == 403
    assert requests.head(whole, timeout=60).status_code == 403  # signed for GET only


def test_a_url_is_valid_as_requested_up_to_seven_days() -> None:
    clock = Clock()
    with FakeOss(clock=clock) as oss:
        oss.put("a.png", b"x")
        bucket = open_bucket(oss)
        short, longest = (bucket.signed_url("a.png", seconds=s) for s in (60, 10**9))
        assert [requests.get(url, timeout=60).status_code for url in (short, longest)] == [200, 200]
        clock.sleep(120)
        assert [requests.get(url, timeout=60).status_code for url in (short, longest)] == [403, 200]
        clock.sleep(604_800)
        assert requests.get(longest, timeout=60).status_code == 403


IN_ADDRESS = {
    "x-oss-signature-version": "OSS4-HMAC-SHA256",
    "x-oss-credential": "LTAItest/20260101/cn-hangzhou/oss/aliyun_v4_request",
    "x-oss-date": "20260101T000000Z",
    "x-oss-expires": "3600",
}
IN_HEADERS = {"x-oss-date": "20260101T000000Z", "x-oss-content-sha256": "UNSIGNED-PAYLOAD"}
LIST = {"list-type": "2", "prefix": "refs/", "delimiter": "/", "continuation-token": "", "start-after": ""}
LIST |= {"fetch-owner": "false", "max-keys": "100", "encoding-type": "url"}
THUMBNAIL = {"x-oss-process": "image/resize,m_lfit,w_320,h_320/format,webp"}


@pytest.mark.parametrize(
    ("request_line", "query", "headers", "signature"),
    [
        (
            "GET refs/a.png",
            IN_ADDRESS,
            {},
            "cd8006e37aa9eabc23af131b2626e8b64cebdc1dfc2794a10ca2cd33e2516d7a",
        ),
        (
            "GET refs/a.png",
            IN_ADDRESS | THUMBNAIL,
            {},
            "15fdeb7aee2824fd23076ad37f10792bbe231cbdcfb2cfbdd4ad6504587eb631",
        ),
        (
            "GET refs/图 片/a+b.png",
            IN_ADDRESS,
            {},
            "940b564b29a2ccd2ff7657c35446128d56dd53d7edee36f1651c05a1335bc882",
        ),
        (
            "PUT refs/a.png",
            {},
            IN_HEADERS | {"content-type": "image/png"},
            "6332f5cc578ad2747ab7ea173bf1a95ac987a998bcc186ac7b63c9abc731e108",
        ),
        ("GET ", LIST, IN_HEADERS, "e75f04718bc703c13b417b5470c46bf51796b03088f7483d882cba4d79976f10"),
    ],
    ids=["address", "address of a thumbnail", "address of a name with signs", "upload", "list"],
)
def test_the_fake_computes_the_published_signatures(
    request_line: str, query: dict[str, str], headers: dict[str, str], signature: str
) -> None:
    method, _, key = request_line.partition(" ")
    scope = "20260101/cn-hangzhou/oss/aliyun_v4_request"
    resource, date = f"/demo-bucket/{key}", IN_HEADERS["x-oss-date"]
    assert v4_signature("secretkey", method, resource, query, headers, date, scope) == signature


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"oss_access_key_id": "LTAIother"}, "OSS_ACCESS_KEY_ID"),
        ({"oss_access_key_secret": "wrong"}, "OSS_ACCESS_KEY_SECRET"),
        ({"oss_bucket": "other-bucket"}, "OSS_BUCKET"),
        ({"oss_region": "cn-beijing"}, "OSS_REGION"),
    ],
)
def test_each_wrong_setting_is_named_in_one_sentence(
    oss: FakeOss, change: dict[str, str], named: str
) -> None:
    bucket = open_bucket(oss, **change)
    for call in (lambda: list(bucket.list_objects("")), lambda: bucket.put("a.png", b"x", "image/png")):
        with pytest.raises(BucketError, match=named) as caught:
            call()
        assert caught.value.transient is False
        assert "secretkey" not in str(caught.value)
    assert oss.count("list") == 1  # a permanent error is not retried


@pytest.mark.parametrize("minutes", [16, -16])
def test_a_skewed_clock_is_reported(minutes: float) -> None:
    off = FakeOss(clock=lambda: time.time() + 60 * minutes)
    with off as oss, pytest.raises(BucketError, match="校准系统时间"):
        list(open_bucket(oss).list_objects(""))


def test_a_missing_permission_is_named_as_in_the_console(oss: FakeOss, bucket: Bucket) -> None:
    oss.fail_next("denied")
    with pytest.raises(BucketError, match="oss:PutObject"):
        bucket.put("a.png", b"x", "image/png")


def test_reads_are_retried_and_writes_are_not(oss: FakeOss, bucket: Bucket) -> None:
    oss.put("a.png", b"x")
    for kind in ("500", "reset", "cut"):
        oss.fail_next(kind, times=2)
        assert bucket.fetch("a.png") == b"x"
    oss.fail_next("cut", times=3)
    with pytest.raises(BucketError, match="连不上 OSS（连接中断）") as broken:
        list(bucket.list_objects(""))
    assert broken.value.transient is True
    oss.fail_next("busy")
    with pytest.raises(BucketError, match="忙不过来") as caught:
        bucket.put("b.png", b"x", "image/png")
    assert caught.value.transient is True
    assert oss.count("put") == 1


def test_an_unreachable_endpoint_names_the_setting(oss: FakeOss) -> None:
    with pytest.raises(BucketError, match="连不上 OSS（连接被拒绝），请检查网络和 OSS_ENDPOINT"):
        list(open_bucket(oss, oss_endpoint="http://127.0.0.1:9").list_objects(""))


def test_a_response_not_from_oss_is_reported(oss: FakeOss, bucket: Bucket) -> None:
    for page in ("html", "other"):  # neither is a listing: the one is no XML, the other is
        oss.fail_next(page)
        with pytest.raises(BucketError, match="OSS_ENDPOINT"):
            list(bucket.list_objects(""))


def test_an_upload_that_is_not_answered_by_oss_is_not_stored(oss: FakeOss, bucket: Bucket) -> None:
    oss.fail_next("html")  # 200, as a proxy answers that has stored nothing
    with pytest.raises(BucketError, match="OSS_ENDPOINT"):
        bucket.put("b.png", b"x", "image/png")
    assert "b.png" not in oss.objects
    bucket.put("b.png", b"x", "image/png")
    assert oss.objects["b.png"].content == b"x"


def test_signature_v1_is_refused_by_the_fake(oss: FakeOss) -> None:
    old = oss2.Bucket(oss2.Auth("LTAItest", "secretkey"), oss.address, "demo-bucket")
    with pytest.raises(oss2.exceptions.AccessDenied):
        old.get_object("a.png")


@pytest.fixture
def named_hosts(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> FakeOss:
    """The fake behind the real names of OSS: it is this machine's HTTP proxy."""
    monkeypatch.setenv("HTTP_PROXY", oss.address)
    monkeypatch.setenv("http_proxy", oss.address)
    return oss


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://oss-cn-hangzhou.aliyuncs.com",
        "http://demo-bucket.oss-cn-hangzhou.aliyuncs.com",
        "http://DEMO-bucket.oss-cn-hangzhou.aliyuncs.com/",
    ],
)
def test_both_forms_of_the_endpoint_reach_the_bucket(named_hosts: FakeOss, endpoint: str) -> None:
    bucket = open_bucket(named_hosts, oss_endpoint=endpoint, oss_region="")
    bucket.put("猫.png", b"x", "image/png")
    assert requests.get(bucket.signed_url("猫.png", seconds=60), timeout=60).content == b"x"
    assert {call.host for call in named_hosts.calls} == {"demo-bucket.oss-cn-hangzhou.aliyuncs.com"}


def test_signed_urls_use_the_custom_domain(named_hosts: FakeOss) -> None:
    named_hosts.domains.add("img.example.com")
    endpoint, public = "http://oss-cn-hangzhou.aliyuncs.com", "http://img.example.com"
    bucket = open_bucket(named_hosts, oss_endpoint=endpoint, oss_public_url=public)
    bucket.put("refs/猫.png", b"x", "image/png")
    url = bucket.signed_url("refs/猫.png", seconds=60)
    assert unquote(urlsplit(url).path) == "/refs/猫.png"
    assert requests.get(url, timeout=60).content == b"x"
    assert [call.host for call in named_hosts.calls] == [
        "demo-bucket.oss-cn-hangzhou.aliyuncs.com",
        "img.example.com",
    ]


def test_a_new_account_needs_a_custom_domain_and_works_with_it(named_hosts: FakeOss) -> None:
    named_hosts.public_endpoint_closed = True
    named_hosts.domains.add("img.example.com")
    with pytest.raises(BucketError, match="绑定自有域名"):
        list(open_bucket(named_hosts, oss_endpoint="http://oss-cn-hangzhou.aliyuncs.com").list_objects(""))
    bucket = open_bucket(named_hosts, oss_endpoint="http://img.example.com")
    bucket.put("猫.png", b"x", "image/png")
    assert [found.key for found in bucket.list_objects("")] == ["猫.png"]
    assert bucket.signed_url("猫.png", seconds=60).startswith("http://img.example.com/")


HANGZHOU, INTERNAL = "https://oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou-internal.aliyuncs.com"


@pytest.mark.parametrize(
    ("given", "endpoint", "public_url"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", HANGZHOU, HANGZHOU),
        ("http://oss-cn-hangzhou.aliyuncs.com", *["http://oss-cn-hangzhou.aliyuncs.com"] * 2),
        ("oss-cn-hangzhou-internal.aliyuncs.com", INTERNAL, HANGZHOU),
    ],
)
def test_https_is_the_default_and_the_internal_endpoint_is_never_used_in_signed_urls(
    given: str, endpoint: str, public_url: str
) -> None:
    found = address(oss_endpoint=given)
    assert (found.endpoint, found.public_url, found.region) == (endpoint, public_url, "cn-hangzhou")


@pytest.mark.parametrize(
    ("endpoint", "region", "understood"),
    [
        ("oss-ap-southeast-1.aliyuncs.com", "oss-ap-southeast-1", "ap-southeast-1"),
        ("cn-beijing.oss.aliyuncs.com", "", "cn-beijing"),
        ("oss-accelerate.aliyuncs.com", "cn-hangzhou", "cn-hangzhou"),
        ("img.example.com", "OSS-cn-shenzhen", "cn-shenzhen"),
    ],
)
def test_the_region_has_no_prefix(endpoint: str, region: str, understood: str) -> None:
    assert address(oss_endpoint=endpoint, oss_region=region).region == understood


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"oss_endpoint": ""}, "OSS_ENDPOINT"),
        ({"oss_endpoint": "ftp://oss-cn-hangzhou.aliyuncs.com"}, "OSS_ENDPOINT"),
        ({"oss_endpoint": "oss-cn-hangzhou.aliyuncs.com/demo-bucket"}, "OSS_ENDPOINT"),
        ({"oss_endpoint": "img.example.com"}, "OSS_REGION"),
        ({"oss_endpoint": "oss-accelerate.aliyuncs.com"}, "OSS_REGION"),
        ({"oss_endpoint": "other.oss-cn-hangzhou.aliyuncs.com"}, "OSS_BUCKET"),
        ({"oss_region": "cn-beijing"}, "OSS_REGION"),
        ({"oss_bucket": ""}, "OSS_BUCKET"),
        ({"oss_bucket": "Bad_Name"}, "OSS_BUCKET"),
        ({"oss_access_key_id": ""}, "OSS_ACCESS_KEY_ID"),
        ({"oss_public_url": "https://a.com/b"}, "OSS_PUBLIC_URL"),
    ],
)
def test_an_invalid_setting_stops_the_start_naming_it(given: dict[str, str], variable: str) -> None:
    with pytest.raises(SettingError) as caught:
        address(**{"oss_endpoint": "oss-cn-hangzhou.aliyuncs.com"} | given)
    assert caught.value.variable == variable


def test_many_threads_share_one_bucket(oss: FakeOss, bucket: Bucket) -> None:
    with ThreadPoolExecutor(24) as threads:
        list(threads.map(lambda n: bucket.put(f"{n}.png", b"x" * n, "image/png"), range(24)))
    assert {found.key: found.size for found in bucket.list_objects("")} == {f"{n}.png": n for n in range(24)}


def test_connect_and_read_have_separate_timeouts(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oss_client, "READ_SECONDS", 0.1)
    bucket = open_bucket(oss)
    oss.fail_next("slow", times=3, seconds=0.5)
    with pytest.raises(BucketError, match="等待答复超时"):
        bucket.fetch("a.png")


@pytest.mark.parametrize(("rate", "is_read"), [(200_000, True), (100, False)])
def test_a_slow_answer_is_read_while_it_is_not_too_slow(
    monkeypatch: pytest.MonkeyPatch, rate: int, is_read: bool
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def parts(_size: int) -> Iterator[bytes]:
        for _ in range(200):
            now[0] += 1.0
            yield b"x" * rate

    answer = SimpleNamespace(status_code=200, headers={}, iter_content=parts, close=lambda: None)
    bounded = oss_client._Bounded(oss2.http.Response(answer), 10**9)
    if is_read:
        assert len(bounded.read()) == 200 * rate
    else:
        with pytest.raises(TimeoutError):
            bounded.read()


def test_keys_are_not_in_the_repr() -> None:
    shown = repr(Settings(oss_access_key_id="LTAIx", oss_access_key_secret="geheim"))
    assert not any(key in shown for key in ("LTAIx", "geheim"))
