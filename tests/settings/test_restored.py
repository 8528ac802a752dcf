"""A backup is restored: who lost access has none, and what was made since is not bought again."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.env_file import EnvFile
from app.runtime import Runtime
from app.settings import page
from app.web.person import COOKIE
from tests.people.harness import PASSWORD, join, log_in, password_of, token_of
from tests.web.harness import WebHarness, answered
from tools.fakes.jimeng import FakeJimeng
from web_app import create_app

pytestmark = pytest.mark.sqlite

MADE = 28
NEW_PASSWORD = "主人的新密码 1"
SINCE = [{"prompt": f"第 {n} 款", "filename": f"款{n}", "resolution": "1K"} for n in range(MADE)]


class Story(WebHarness):
    """A studio of two people: a picture, a backup, and then 28 pictures and less access."""

    def __init__(self, settings: Settings, service: FakeJimeng) -> None:
        self.service = service
        settings = replace(settings, access_password=PASSWORD, **service.settings(model_concurrency=4))
        super().__init__(settings, env_file=EnvFile(settings.database_path.with_name(".env"), {}))
        assert log_in(self.client, PASSWORD) == 302
        self.person, self.member = self.add("小林")
        self.token = token_of(self.client)
        _, self.invitation = self.invite("小王")
        for number in (1, 2):
            self.execute(
                f"""
                INSERT INTO rounds (id, table_id, number, client, token_digest, ends_at, state, created_at)
                VALUES ('{number}', 'T', {number}, '王总', '{number}', '2100-01-01 00:00:00', 'open', '')
                """
            )
        self.make([{"prompt": "早", "filename": "早", "resolution": "1K"}])
        backup = self.runtime.backups.make()
        assert backup
        self.backup = backup
        self.make(SINCE)
        answered(self.client.patch(f"/api/people/{self.person}", json={"active": False}))
        (token,) = answered(self.client.get("/api/tokens"))["tokens"]
        answered(self.client.delete(f"/api/tokens/{token['id']}"))
        self.execute("UPDATE people SET invitation_digest = NULL WHERE invitation_digest IS NOT NULL")
        self.execute("UPDATE rounds SET state = 'closed' WHERE id = '2'")
        self.execute("UPDATE rounds SET token_digest = 'renewed', password_digest = 'new' WHERE id = '1'")
        answered(self.client.patch("/api/me", json={"current": PASSWORD, "password": NEW_PASSWORD}))
        self.spent = self.ledger()

    def add(self, name: str) -> tuple[int, FlaskClient]:
        """A member who has joined -> id, browser."""
        person_id, path = self.invite(name)
        browser = self.client.application.test_client()
        assert join(browser, path, name) == 303
        return person_id, browser

    def invite(self, name: str) -> tuple[int, str]:
        made = answered(self.client.post("/api/people", json={"name": name, "role": "member"}), 201)
        return made["person"]["id"], "/join/" + made["link"].rpartition("/join/")[2]

    def make(self, rows: list[dict[str, str]]) -> int:
        """Order a new table of these rows, and do all that is queued -> how many pictures were bought."""
        before = self.service.charges
        table = self.post("/api/tables", {"name": "新的", "rows": rows}, 201)["table"]["id"]
        self.client.post(f"/api/tables/{table}/run", json={"stop_after": None})
        self.run()
        return self.service.charges - before

    def ledger(self) -> dict[str, float]:
        """CNY of this month: billed, and what counts against its budget, which unknown outcomes do too."""
        spent = self.get("/api/budgets")["spent"]["month"]
        return {"billed": self.get("/api/usage")["usage"]["month"]["billed"], "counts": spent}

    def choose(self, name: str = "") -> None:
        answer = self.client.post("/model/restore", data={"name": name or self.backup.name})
        assert answer.status_code == 303

    def restore_by_page(self) -> None:
        self.choose()
        self.restart()

    def put_back(self) -> None:
        """Copy the backup by hand over the file, with the program stopped."""
        for ending in ("-wal", "-shm"):
            path = self.settings.database_path
            path.with_name(path.name + ending).unlink(missing_ok=True)
        shutil.copy(self.backup, self.settings.database_path)
        self.restart()

    def restart(self) -> None:
        """Start the program again; the browsers keep their cookies."""
        self.runtime = Runtime(self.settings)
        app = create_app(
            self.settings, self.runtime, EnvFile(self.settings.database_path.with_name(".env"), {})
        )
        for name in ("client", "member"):
            cookie = getattr(self, name).get_cookie(COOKIE)
            setattr(self, name, app.test_client())
            getattr(self, name).set_cookie(COOKIE, cookie.value)

    def press(self, action: str) -> str:
        """Press a button of the line on top -> the page that it leads to."""
        answer = self.client.post("/model/restored", data={"action": action}, follow_redirects=True)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture
def story(settings: Settings, service: FakeJimeng, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(page, "_LOOKING_SECONDS", 600.0)  # also on a busy machine
    return Story(settings, service)


BOTH_WAYS = pytest.mark.parametrize(
    "restore", [Story.restore_by_page, Story.put_back], ids=["page", "by hand"]
)


def test_who_lost_access_since_the_backup_has_none_after_it_is_restored(story: Story) -> None:
    story.restore_by_page()
    assert story.member.get("/api/me").status_code == 403
    assert story.client.application.test_client().get("/api/me", headers=story.token).status_code == 401
    assert join(story.client.application.test_client(), story.invitation, "小王") != 303
    sql = "SELECT state, token_digest, password_digest FROM rounds ORDER BY id"
    assert [tuple(row) for row in story.select(sql)] == [("open", "renewed", "new"), ("closed", "2", "")]
    stranger = story.client.application.test_client()
    assert log_in(stranger, NEW_PASSWORD) == 302
    assert story.get("/api/me")["person"]["role"] == "owner"
    story.execute("DELETE FROM login_attempts")
    assert log_in(stranger, PASSWORD) != 302
    story.execute("DELETE FROM login_attempts")
    assert log_in(stranger, password_of("小林"), "小林") != 302


def test_every_login_and_link_ends_when_the_replaced_database_cannot_be_read(story: Story) -> None:
    answered(story.client.patch(f"/api/people/{story.person}", json={"active": True}))
    story.choose()
    with story.settings.database_path.open("r+b") as file:
        file.write(b"\xff" * 20_000)
    story.restart()
    assert story.client.get("/api/me").status_code == 403
    assert story.client.application.test_client().get("/api/me", headers=story.token).status_code == 401
    assert join(story.client.application.test_client(), story.invitation, "小王") != 303
    assert [row["state"] for row in story.select("SELECT state FROM rounds")] == ["closed", "closed"]
    assert log_in(story.client, PASSWORD) == 302
    assert "链接都结束了" in story.page("/records")


@BOTH_WAYS
def test_what_was_made_since_is_offered_back_and_not_bought_again(
    story: Story, restore: Callable[[Story], None]
) -> None:
    restore(story)
    assert "这份备份以后还做过 28 张（¥6.16）" in story.page("/records")
    assert story.ledger()["counts"] == story.spent["counts"]
    assert story.make(SINCE) == 0
    assert "这份备份以后" not in story.press("take")
    assert story.make(SINCE) == 0
    assert story.ledger() == story.spent
    made = story.get("/api/records?limit=100")["records"]
    assert len({record["filename"] for record in made if record["status"] == "success"}) == MADE + 1
    assert 'class="restored"' not in story.press("leave")
    story.restart()
    assert 'class="restored"' not in story.page("/records")
    assert story.ledger() == story.spent


@BOTH_WAYS
def test_what_is_declined_can_be_bought_again_and_stays_in_the_ledger(
    story: Story, restore: Callable[[Story], None]
) -> None:
    restore(story)
    assert 'class="restored"' not in story.press("leave")
    assert story.ledger()["counts"] == story.spent["counts"]
    assert story.make(SINCE) == MADE


def test_new_pictures_have_ids_of_their_own_also_when_somebody_goes_back(story: Story) -> None:
    story.submit([{"prompt": "没有做"}])
    story.restore_by_page()
    assert story.make([{"prompt": "更晚"}]) == 1
    story.choose(story.runtime.backups.list()[0].name)
    story.restart()
    assert "这份备份以后还做过 1 张（¥0.22）" in story.page("/records")
    assert story.ledger()["billed"] == pytest.approx(story.spent["billed"] + 0.22)
    made = story.get("/api/records?limit=100&status=success")["records"]
    assert len(made) == MADE + 1


@pytest.mark.parametrize("step", ["_take_from_present", "_add_missing", "pause_if_older"])
def test_a_start_that_is_killed_while_it_restores_is_completed_by_the_next(
    story: Story, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> NoReturn:
        raise SystemExit

    where = "app.migrations" if step == "pause_if_older" else "app.migrations.restored"
    story.choose()
    with monkeypatch.context() as patched:
        patched.setattr(f"{where}.{step}", crash)
        with pytest.raises(SystemExit):
            story.restart()
    story.restart()
    assert story.member.get("/api/me").status_code == 403
    assert story.ledger() == story.spent
    assert "这份备份以后还做过 28 张（¥6.16）" in story.page("/records")
