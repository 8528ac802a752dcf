"""The leaks that other galleries had, each tried by a fresh client on every verb and path below /r/."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from openpyxl import load_workbook
from PIL import Image

import database
from app.config import Settings
from app.domain.people import secret_digest
from app.errors import DatabaseError, StoreLost
from app.images.metadata import extract
from app.rounds import sql
from app.rounds.rules import pass_of
from tests.dump import dump
from tests.rounds.harness import LAN, ROWS, Studio, Visitor

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS = (
    *("", "/", "/state", "/pictures/1", "/pictures/1?size=large", "/pictures/1?earlier=1", "/pictures/99"),
    *("/marks", "/submit", "/chosen.zip", "/pictures/x", "/pictures/", "/anything/else", "/../records"),
)
SAFE = ("GET", "HEAD", "OPTIONS")
WORDS = (
    "暗号",
    "demo",
    "演示",
    "output",
    "A-9",
    "generation",
    "¥",
    "record",
    "/api/",
    "/batch",
    "fingerprint",
)


@pytest.fixture(scope="module")
def module_studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio with a login, for tests that only read or are refused."""
    folder = tmp_path_factory.mktemp("leaks")
    return Studio(
        Settings(
            database_path=folder / "generation_records.db",
            output_dir=folder / "output",
            samples_dir=folder / "samples",
        )
    )


@pytest.fixture(scope="module")
def table(module_studio: Studio) -> str:
    return module_studio.make_table()


@pytest.fixture(scope="module")
def link(module_studio: Studio, table: str) -> str:
    return str(module_studio.open_round(table, download="chosen")["link"])


@pytest.fixture
def guarded(module_studio: Studio, table: str) -> str:
    """A link with a password."""
    module_studio.execute("DELETE FROM login_attempts")
    made = module_studio.open_round(table, client="李总", password="芝麻芝麻开门", download="chosen")
    return str(made["link"])


def every_call(visitor: Visitor) -> Iterator[tuple[str, str, int, bytes]]:
    """(method, path, status, content) of every verb on every path of a link."""
    for method in METHODS:
        for path in PATHS:
            body = {"json": {"1": {"mark": "heart"}}} if method not in SAFE else {}
            answer = visitor.open(path, method, buffered=True, **body)
            yield method, path, answer.status_code, answer.data


def test_nothing_but_the_form_is_answered_without_the_password(module_studio: Studio, guarded: str) -> None:
    """immich#29599, pigallery2#950: thumbnails and originals were served, since only the login looked."""
    before = dump_of(module_studio)
    for method, path, status, content in every_call(module_studio.visitor(guarded)):
        if path in ("", "/") and method in SAFE:
            assert (status, b"A-1" in content) == (200, False)
        elif path in ("", "/") and method == "POST":
            assert status in (403, 404, 429), (method, path)  # as the form: a wrong password
        else:
            assert status in (401, 404), (method, path, status)
        assert b"A-1" not in content, (method, path)
        assert b"\xff\xd8\xff" not in content, (method, path)
    assert dump_of(module_studio) == before


def dump_of(studio: Studio) -> list[str]:
    with closing(database.connect(studio.settings.database)) as db:
        return [line for line in dump(db) if "login_attempts" not in line]


def test_the_cookie_of_one_link_opens_no_other(module_studio: Studio, guarded: str, table: str) -> None:
    """PicPeak #737: the token of any gallery opened the thumbnails of every other."""
    other = module_studio.open_round(table, client="赵总", password="芝麻芝麻关门")["link"]
    visitor = module_studio.visitor(guarded)
    entered = visitor.open("", "POST", data={"password": "芝麻芝麻开门"})
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    assert visitor.open("/state").status_code == 200
    elsewhere = Visitor(visitor.browser, other)
    assert {elsewhere.open(path).status_code for path in ("/state", "/pictures/1", "/chosen.zip")} == {401}
    entered = module_studio.visitor(other).open("", "POST", data={"password": "芝麻芝麻关门"})
    renamed = entered.headers["Set-Cookie"].partition("=")[0], cookie.partition("=")[2]
    visitor.browser.set_cookie(*renamed, domain="192.168.1.20", path="/r/")
    assert elsewhere.open("/state").status_code == 401


def test_a_picture_of_another_round_is_not_found_by_counting(module_studio: Studio, table: str) -> None:
    """PicPeak #737, GHSA-g94x-8vv8-3c9f: numbers were countable, and the gallery was not compared."""
    first = module_studio.rows_of(table)[0]["pictures"][0]["record_id"]
    visitor = module_studio.visitor(module_studio.open_round(table, client="单张", records=[first])["link"])
    assert visitor.open("/pictures/1").status_code == 200
    others = [f"/pictures/{n}" for n in (0, 2, 3, 4, 99, 10**17)] + ["/pictures/-1", "/pictures/01x"]
    assert {visitor.open(path).status_code for path in others} == {404}
    assert visitor.open("/pictures/1?earlier=1").status_code == 404
    assert visitor.mark({"2": {"mark": "heart"}}, 404)["error"].startswith("没有第 2 张")


def test_a_password_in_the_address_opens_nothing(module_studio: Studio, guarded: str) -> None:
    """immich-public-proxy#59: who passed on the address passed on the access."""
    visitor = module_studio.visitor(guarded)
    for path in ("?password=芝麻芝麻开门", "/state?password=芝麻芝麻开门"):
        assert "A-1" not in visitor.open(path).text
    answer = visitor.open("?password=芝麻芝麻开门", "POST")
    assert "Set-Cookie" not in answer.headers
    module_studio.execute("DELETE FROM login_attempts")
    right = module_studio.visitor(guarded).open("", "POST", data={"password": "芝麻芝麻开门"})
    assert re.fullmatch(r"http://[\d.:]+/r/[\w-]{43}|/r/[\w-]{43}", right.headers["Location"])
    cookie = right.headers["Set-Cookie"]
    assert re.fullmatch(r"round_\w{16}=\w{64}; HttpOnly; Path=/r/; SameSite=Lax", cookie)


def test_the_cookie_of_a_password_is_secure_behind_https(settings: Settings) -> None:
    networks = replace(
        settings, trusted_proxies=(ip_network("127.0.0.0/8"),), allowed_hosts=("studio.example",)
    )
    studio = Studio(networks)
    secure = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "8.8.8.8"}
    made = studio.client.post(
        f"/api/tables/{studio.make_table()}/rounds",
        json={"client": "王", "pick": "all", "password": "123456"},
        base_url="http://studio.example",
        headers=secure,
    ).get_json()
    assert made["link"].startswith("https://studio.example/r/")
    path = made["link"].removeprefix("https://studio.example")
    answer = studio.client.post(
        path, data={"password": "123456"}, base_url="http://studio.example", headers=secure
    )
    assert "; Secure;" in answer.headers["Set-Cookie"]


def test_previews_and_originals_have_no_other_address(settings: Settings) -> None:
    """novaGallery#58, Piwigo#649: cached thumbnails lay in a folder that was served."""
    studio = Studio(replace(settings, access_password="开门"))
    studio.client.post("/login", data={"password": "开门"}, base_url=LAN)
    studio.client.post("/login", data={"password": "开门"})
    link = studio.open_round(studio.make_table())["link"]
    visitor = studio.visitor(link)
    assert visitor.open("/pictures/1").status_code == 200
    drawn = studio.previews()[0].relative_to(studio.settings.output_dir).as_posix()
    tried = (f"/output/{drawn}", f"/static/{drawn}", "/thumbnails/1", "/output/图1.jpg", f"/r/{drawn}")
    for path in tried:
        answer = visitor.browser.get(path, base_url=LAN)
        assert answer.status_code in (302, 404), path
        assert answer.mimetype != "image/jpeg", path
    logged_in = studio.client.get(f"/output/{drawn}", base_url=LAN)
    assert logged_in.status_code == 404


def test_the_studios_login_does_not_stand_before_a_link_and_a_link_is_no_login(settings: Settings) -> None:
    studio = Studio(replace(settings, access_password="开门"))
    for base in (LAN, "http://localhost"):
        studio.client.post("/login", data={"password": "开门"}, base_url=base)
    visitor = studio.visitor(studio.open_round(studio.make_table())["link"])
    assert visitor.heart(1)["chosen"] == 1
    for path in ("/", "/api/tables", "/batch", "/output/图1.jpg"):
        assert visitor.browser.get(path, base_url=LAN).status_code in (302, 403), path
    assert visitor.browser.get("/r/x", base_url=LAN).status_code == 404  # and not the login


def test_an_unknown_host_opens_no_link(module_studio: Studio, link: str) -> None:
    visitor = module_studio.visitor(link)
    for path in PATHS:
        answer = visitor.browser.get(visitor.path + path, base_url="http://rebound.example")
        assert answer.status_code == 403, path
        assert "A-1" not in answer.text


def test_names_of_files_are_neutral(module_studio: Studio, link: str) -> None:
    """immich#27495: the original file name was told in a header though it was hidden on the page."""
    answer = module_studio.visitor(link).open("/pictures/2?size=large")
    assert answer.headers["Content-Disposition"] == 'inline; filename="2.jpg"'
    assert not {"ETag", "Last-Modified", "Server-Timing", "Location"} & {*answer.headers.keys()}


def test_the_state_has_these_fields_and_no_others(module_studio: Studio, link: str) -> None:
    """immich#4382: a path was shown as title."""
    state = module_studio.visitor(link).state()
    assert state.keys() == {"success", "round", "pictures"}
    fields = {"number", "client", "state", "at_most", "ends_at", "chosen", "download"}
    assert state["round"].keys() == fields
    pictures = {"n", "label", "width", "height", "mark", "comment"}
    assert {frozenset(picture) for picture in state["pictures"]} == {frozenset(pictures)}


def test_no_answer_has_a_word_of_the_studio(module_studio: Studio, link: str, table: str) -> None:
    """Prompts, models, prices, paths, tables, other clients: in no page, JSON, header or file."""
    module_studio.open_round(table, client="机密客户")
    visitor = module_studio.visitor(link)
    words = (*WORDS, "机密客户", table, str(module_studio.settings.output_dir))
    for method in METHODS:
        for path in (*PATHS, "/pictures/1?size=large&earlier=1", "/state?x=1"):
            answer = visitor.open(path, method, buffered=True, json={} if method not in SAFE else None)
            said = answer.data + str(answer.headers).encode()
            said = said.replace(b"/static/", b"").replace(b"/assets/", b"")
            is_picture = answer.mimetype == "image/jpeg"  # which has any two bytes somewhere
            found = [word for word in words if word.encode() in said and not (is_picture and len(word) < 4)]
            assert found == [], (method, path)


def test_errors_show_a_client_nothing_of_the_studios_pages(module_studio: Studio, link: str) -> None:
    visitor = module_studio.visitor(link)
    broken = [
        visitor.open("/marks", "PUT", data=b"{", content_type="application/json"),
        visitor.open("/marks", "PUT", data=b"x" * 70_000, content_type="application/json"),
        visitor.open("/pictures/7", headers={"Accept": "text/html"}),
        visitor.open("", "DELETE"),
        visitor.open("", "BREW"),
        visitor.browser.open("/r/unknown/x", method="BREW", base_url=LAN),
    ]
    for answer in broken:
        assert 400 <= answer.status_code < 500
        assert "/batch" not in answer.text
        assert "AI 图片生成器" not in answer.text


@pytest.mark.parametrize(("error", "status"), [(StoreLost, 503), (DatabaseError, 500)])
def test_a_lost_database_tells_a_client_no_path(
    module_studio: Studio,
    link: str,
    monkeypatch: pytest.MonkeyPatch,
    error: type[DatabaseError],
    status: int,
) -> None:
    def lose(*_: object) -> None:
        raise error("数据库 /home/studio/generation_records.db 不见了")

    monkeypatch.setattr(sql, "find_link", lose)
    for path in ("", "/state", "/pictures/1"):
        answer = module_studio.visitor(link).open(path)
        assert answer.status_code == status
        assert "studio" not in answer.text
        assert "请过一会儿再试" in answer.text


def test_a_preview_has_no_metadata(module_studio: Studio, link: str) -> None:
    """immich#29599 and #1348: position and words stood in what was shown, and in what was downloaded."""
    visitor = module_studio.visitor(link)
    for size, longest in (("small", 480), ("large", 1600)):
        content = visitor.open(f"/pictures/1?size={size}").data
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == "JPEG"
            assert max(image.size) <= longest
            assert not image.getexif()
            assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        for word in (
            b"Exif",
            b"http://ns.adobe.com",
            b"parameters",
            "暗号".encode(),
            b"c2pa",
            b"ICC_PROFILE",
        ):
            assert word not in content


def test_a_download_has_no_words_either(studio: Studio) -> None:
    table = studio.make_table()
    studio.client.put(
        "/api/delivery-profiles/带参数", json={"fit": "original", "format": "original", "parameters": True}
    )
    for profile in ("原图", "带参数", "京东 主图"):
        made = studio.open_round(table, client=profile, download="chosen", profile=profile)
        visitor = studio.visitor(made["link"])
        assert visitor.open("/chosen.zip").status_code == 404
        visitor.heart(1, 3)
        if profile == "京东 主图":  # the last: a rejected picture is in no later round
            visitor.mark({"4": {"mark": "reject"}})
        visitor.submit()
        answer = visitor.open("/chosen.zip", buffered=True)
        assert "暗号" not in str(answer.headers)
        with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
            names = archive.namelist()
            contents = [*map(archive.read, names)]
        assert [Path(name).stem for name in names] == ["图1", "图3"]  # and no workbook, and no note
        assert [extract(content) for content in contents] == [None, None]
        words = ["暗号".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030")]
        assert not any(word in content for word in [*words, b"parameters"] for content in contents)


def test_a_client_reads_nothing_of_another(studio: Studio) -> None:
    """PicPeak#303: what other guests said was in the API though the page hid it."""
    table = studio.make_table()
    a, b = (studio.visitor(studio.open_round(table, client=name)["link"]) for name in ("甲方", "乙方"))
    before = b.open("/state").data
    a.mark({"1": {"mark": "heart", "comment": "甲说的话"}, "2": {"mark": "reject"}})
    assert b.open("/state").data == before
    a.submit()
    assert b.open("/state").data == before
    assert b.heart(2) == {
        "success": True,
        "chosen": 1,
        "at_most": None,
        "state": "open",
        "marks": {"2": {"mark": "heart", "comment": ""}},
    }
    assert "甲" not in "".join(b.open(path).text for path in ("", "/state"))
    assert [picture["mark"] for picture in a.state()["pictures"]] == ["heart", "reject", None, None]


def test_a_sentence_is_text_everywhere(studio: Studio) -> None:
    table = studio.make_table()
    visitor = studio.visitor(studio.open_round(table)["link"])
    said = ["<img src=x onerror=alert(1)>", "=1+1", "@SUM(A1)💥", "\u202e{{7*7}}\x00\r\n-2"]
    for n, words in enumerate(said, 1):
        visitor.mark({str(n): {"comment": words}})
    stored = [picture["comment"] for picture in visitor.state()["pictures"]]
    assert stored == ["<img src=x onerror=alert(1)>", "=1+1", "@SUM(A1)💥", "{{7*7}} -2"]
    assert "<img src=x" not in visitor.open("").text
    visitor.submit()
    rows = studio.rows_of(table)
    assert [row["columns"]["客户意见"] for row in rows] == stored
    content = studio.client.post("/api/spreadsheet/export", json={"rows": rows}, buffered=True).data
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if cell.value in stored} == {"s"}


def test_floods_are_refused(studio: Studio) -> None:
    visitor = studio.visitor(studio.open_round(studio.make_table())["link"])
    assert visitor.mark({"1": {"comment": "长" * 501}}, 400)["error"] == "一句话最多 500 个字，请写短一些"
    visitor.mark({"1": {"comment": "长" * 500}})
    huge = visitor.open(
        "/marks", "PUT", data=b'{"1": {"comment": "' + b"x" * 10**7, content_type="application/json"
    )
    assert huge.status_code == 413
    for n in range(29):
        visitor.mark({"2": {"mark": "heart" if n % 2 else "reject"}})
    answer = visitor.open("/marks", "PUT", json={"2": {"mark": None}})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert visitor.mark({"2": {"mark": "reject"}})["success"]  # so it is already
    studio.execute("UPDATE rounds SET minute_at = minute_at - 60")
    assert visitor.mark({"2": {"mark": None}})["success"]


def test_no_other_site_may_read_or_frame(module_studio: Studio, link: str) -> None:
    visitor = module_studio.visitor(link)
    for path in PATHS:
        answer = visitor.open(path, headers={"Origin": "https://shop.example"})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "https:" not in answer.headers["Content-Security-Policy"]  # no file of another house
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        is_picture = answer.mimetype == "image/jpeg"
        cached = "private, max-age=3600" if is_picture else "private, no-store"
        assert answer.headers["Cache-Control"] == cached, path


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [("GET", "//state", LAN), ("TRACE", "/state", LAN), ("GET", "", "http://rebound.example")],
)
def test_what_is_answered_before_the_guard_is_not_kept_or_told_either(
    module_studio: Studio, link: str, method: str, path: str, host: str
) -> None:
    """A redirect of a path, an unknown verb or host: its address has the token too."""
    visitor = module_studio.visitor(link)
    headers = visitor.browser.open(visitor.path + path, method=method, base_url=host).headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "private, no-store"
    assert "noindex" in headers["X-Robots-Tag"]


def test_other_sites_change_nothing(module_studio: Studio, link: str) -> None:
    visitor = module_studio.visitor(link)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for path, method in (("/marks", "PUT"), ("/submit", "POST")):
            answer = visitor.open(path, method, json={"1": {"mark": "heart"}}, headers=headers)
            assert answer.status_code == 403
    assert visitor.state()["round"]["chosen"] == 0


def test_the_form_of_a_page_without_referrer_is_taken(module_studio: Studio, guarded: str) -> None:
    """Browsers send "Origin: null" with it."""
    answer = module_studio.visitor(guarded).open(
        "", "POST", data={"password": "芝麻芝麻开门"}, headers={"Origin": "null"}
    )
    assert answer.status_code == 303


def test_a_link_is_stored_as_its_digest(module_studio: Studio, link: str, guarded: str) -> None:
    token = link.rpartition("/")[2]
    assert len(token) == 43
    with closing(database.connect(module_studio.settings.database)) as db:
        stored = "\n".join(dump(db))
    assert secret_digest(token) in stored
    for secret in (token, guarded.rpartition("/")[2], "芝麻芝麻开门"):
        assert secret not in stored


def test_no_log_has_a_link(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    made = studio.open_round(studio.make_table())
    studio.visitor(made["link"]).heart(1)
    assert "/r/<token>/marks" in caplog.text or not caplog.text
    assert made["link"].rpartition("/")[2] not in caplog.text


def test_links_that_ended_and_links_that_never_were_answer_alike(studio: Studio) -> None:
    table = studio.make_table()
    links, ids = {}, {}
    for name in ("到期", "关掉", "换过", "删掉"):
        made = studio.open_round(table, client=name)
        links[name], ids[name] = made["link"], made["round"]["id"]
    studio.execute("UPDATE rounds SET ends_at = '2020-01-01 00:00:00' WHERE client = '到期'")
    studio.call("POST", f"/api/rounds/{ids['关掉']}/close")
    renewed = studio.call("POST", f"/api/rounds/{ids['换过']}/renew")["link"]
    studio.call("DELETE", f"/api/rounds/{ids['删掉']}")
    links["没有过"] = f"{LAN}/r/{'x' * 43}"
    links["乱写的"] = f"{LAN}/r/%00{'é' * 10}"
    for path, method in (("", "GET"), ("/state", "GET"), ("/pictures/1", "GET"), ("/submit", "POST")):
        answers = [studio.visitor(link).open(path, method) for link in links.values()]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.data for answer in answers}) == 1
        assert len({str(sorted(answer.headers)) for answer in answers}) == 1
    assert studio.visitor(renewed).state()["round"]["client"] == "换过"


def test_guessing_is_slowed_down_by_address_and_never_keeps_a_client_out(studio: Studio) -> None:
    link = studio.open_round(studio.make_table())["link"]
    stranger = studio.visitor(f"{LAN}/r/{'y' * 43}")
    answers = [stranger.open("") for _ in range(32)]
    assert [answer.status_code for answer in answers] == [404] * 30 + [429] * 2
    assert len({answer.data for answer in answers}) == 1  # of the page
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert studio.visitor(link).open("/state").status_code == 200  # of the same address


def test_passwords_are_slowed_down_by_link_and_address(studio: Studio) -> None:
    table = studio.make_table()
    one, other = (
        studio.open_round(table, client=name, password=word)["link"]
        for name, word in (("甲", "123456"), ("乙", "654321"))
    )
    visitor = studio.visitor(one)
    assert visitor.open("", "POST", data={"password": "000000"}).status_code == 403
    waiting = visitor.open("", "POST", data={"password": "123456"})
    assert (waiting.status_code, "Set-Cookie" in waiting.headers) == (429, False)
    assert studio.visitor(other).open("", "POST", data={"password": "654321"}).status_code == 303
    studio.execute("UPDATE login_attempts SET next_at = next_at - 2")
    assert visitor.open("", "POST", data={"password": "123456"}).status_code == 303


def test_passwords_of_a_link_are_counted_together_from_all_addresses(studio: Studio) -> None:
    made = studio.open_round(studio.make_table(), password="123456")

    def enter(number: int, link: str, password: str = "000000") -> int:
        visitor = studio.visitor(link)
        visitor.browser.environ_base["REMOTE_ADDR"] = f"10.0.0.{number}"
        return int(visitor.open("", "POST", data={"password": password}).status_code)

    assert [enter(n, made["link"]) for n in range(32)] == [403] * 30 + [429] * 2
    studio.execute("UPDATE login_attempts SET next_at = next_at - 61")
    assert enter(40, made["link"]) == 403
    studio.execute(
        "UPDATE login_attempts SET failures = 1000, next_at = next_at - 61 WHERE client LIKE '%day'"
    )
    assert enter(41, made["link"], "123456") == 429
    renewed = studio.call("POST", f"/api/rounds/{made['round']['id']}/renew")
    assert enter(41, renewed["link"], "123456") == 303


def test_another_password_ends_the_cookie_of_the_one_before(studio: Studio) -> None:
    made = studio.open_round(studio.make_table(), password="第一个词一二")
    visitor = studio.visitor(made["link"])
    visitor.open("", "POST", data={"password": "第一个词一二"})
    assert visitor.open("/state").status_code == 200
    renewed = studio.call("POST", f"/api/rounds/{made['round']['id']}/renew", {"password": "第二个词一二"})
    again = Visitor(visitor.browser, renewed["link"])
    assert again.open("/state").status_code == 401
    assert again.open("", "POST", data={"password": "第二个词一二"}).status_code == 303
    assert again.open("/state").status_code == 200
    with closing(database.connect(studio.settings.database)) as db:
        of = sql.get_round(db, made["round"]["id"])
    assert pass_of(of) != pass_of(replace(of, password_version=of.password_version + 1))
    assert pass_of(of) != pass_of(replace(of, id="another"))


def test_reading_changes_nothing(studio: Studio) -> None:
    """Chats, scanners and browsers open a link before its client does."""
    made = studio.open_round(studio.make_table(), download="chosen", password="123456")
    visitor = studio.visitor(made["link"])
    visitor.open("", "POST", data={"password": "123456"})
    visitor.open("/pictures/1")
    before = dump_of(studio)
    for method in SAFE:
        for path in PATHS:
            visitor.open(path, method, buffered=True)
            studio.visitor(made["link"]).open(path, method, buffered=True)
    assert dump_of(studio) == before


def test_a_label_has_no_word_of_the_prompt(studio: Studio) -> None:
    """It comes from columns that name goods, or from the file name that was typed, never from the words."""
    rows = [
        {**ROWS[0], "columns": {"货号": " B-7 ", "成本": "暗号成本"}},
        {**ROWS[1], "columns": {"成本": "暗号成本"}},
        {"prompt": "暗号提示词 9", "resolution": "1K", "columns": {"成本": "暗号成本"}},
    ]
    visitor = studio.visitor(studio.open_round(studio.make_table(rows))["link"])
    state = visitor.state()
    assert [picture["label"] for picture in state["pictures"]] == ["B-7", "图2", ""]
    assert "暗号" not in json.dumps(state, ensure_ascii=False)
