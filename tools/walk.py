"""``make walk``: random presses and keys on all pages of the demo, by a seed that repeats them.

It fails on an error or an unhandled rejection of a script, on an answer of 5xx, on a traceback in the log
of the server, and on what is bought without a press on a button that bears its price. A key is such a press
where a person moved the focus to that button, not a script.
"""

import argparse
import random
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Dialog, Error, Page, Response, sync_playwright

from tools.chromium import FLAGS, require_browser
from tools.environment import isolate_environment
from tools.pages.batch_page import upload
from tools.server_process import ServerProcess, running_server

_WINDOWS = ((1440, 900), (1440, 900), (390, 844))
_STAY = 25  # steps on a page, on average
_LAST = 15  # steps that are printed with a problem
_BOUGHT = "bought without a press: "
_KEYS = (
    *("ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Tab", "Shift+Tab", "Enter", "Escape", "Space") * 3,
    *("Control+Enter", "Control+a", "Control+z", "Control+y", "Control+k", "Control+f", "Control+h") * 2,
    *("Control+c", "Control+x", "Control+v", "Control+d", "Control+r", "Control+ArrowUp", "Control+Home"),
    *("Home", "End", "PageDown", "PageUp", "Delete", "Backspace", "F2", "F8", "Shift+ArrowDown", "Shift+F10"),
    *("Alt+ArrowDown", "Shift+Space", "Alt+Enter", "?", "/", "+", "-", "0"),
    *"123pxucedzrgfls",
)
_WORDS = ("blue dog", "16:9", "一只猫 ", "{", "4K", "99", "#3", "a\tb", "   ", "=1+1", "没有.png", "<b>")
# Notes which press a purchase follows. `pressed` is the last click on a button with a price; that of one more
# picture has none while it is free, as here.
_GUARD = r"""
(() => {
  const PRICE = /[¥￥]|免费|不花钱|free/i;
  const PAID = /\/api\/(batches|tables\/\w+\/run|batches\/\w+\/(release|again)|records\/\w+\/\w+)$/;
  const FREE = /\/(delete|restore|pick|cancel|collect|drop|undrop|find-by-file)$/;
  const isPriced = (one) => PRICE.test(one.textContent + one.title) || one.matches("[data-command=again]");
  const pricedAt = (target) => [target.closest?.("button, a")].find((one) => one && isPriced(one));
  const scripted = new WeakSet();
  let [moved, orders, pressed] = [-1, -1, null];
  addEventListener("pointerdown", () => { moved = performance.now(); }, true);
  addEventListener("keydown", ({ key, ctrlKey }) => {
    if (/^(Tab|Arrow|Home|End)/.test(key)) moved = performance.now();
    if (key === "Enter" && ctrlKey) orders = performance.now();
  }, true);
  addEventListener("focusin", ({ target }) => {
    scripted[performance.now() - moved < 100 ? "delete" : "add"](target);
  }, true);
  addEventListener("click", ({ target, detail, isTrusted }) => {
    const button = pricedAt(target);
    const isMeant = isTrusted ? detail > 0 || !scripted.has(button) : performance.now() - orders < 100;
    if (button) pressed = { isMeant, at: performance.now(), words: button.textContent.trim() };
  }, true);
  const send = window.fetch;
  window.fetch = (url, options = {}) => {
    const { pathname } = new URL(url, location.href);
    const isByKey = document.querySelector("[data-retouch-dialog][open]") && performance.now() - orders < 5e3;
    if (options.method === "POST" && PAID.test(pathname) && !FREE.test(pathname)) {
      const isMeant = pressed?.isMeant && performance.now() - pressed.at < 30e3; // the table is saved first
      if (!isMeant && !isByKey) console.error(`BOUGHT ${pathname} ${JSON.stringify(pressed)}`);
    }
    return send(url, options);
  };
})();
"""
# The control that a number from 0 to 1 points at: {x, y, words}.
_CONTROL = """
(share) => {
  const root = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
  const controls = "button, a[href], input, select, summary, textarea, [role=option], [role=menuitem], "
    + "[data-row] [data-column], [data-shot], [data-record-id], label";
  const middle = (one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const between = (one, other, most) => (Math.max(one, 0) + Math.min(other, most)) / 2;
    return [between(left, right, innerWidth), between(top, bottom, innerHeight)];
  };
  const found = [...root.querySelectorAll(controls)].filter((one) => {
    if (one.matches("[type=password], [type=file], [download], [target=_blank], [href^=http]")) return false;
    const hit = document.elementFromPoint(...middle(one));
    return hit && (one.contains(hit) || hit.contains(one)) && one.checkVisibility();
  });
  if (found.length === 0) return { x: 5, y: 5, words: "the corner" };
  const one = found[Math.floor(share * found.length)];
  const [x, y] = middle(one);
  const words = `${one.tagName.toLowerCase()} ${one.ariaLabel || one.textContent || one.name || ""}`;
  return { x, y, words: words.replace(/\\s+/g, " ").slice(0, 60) };
}
"""
_IS_SECRET = "document.activeElement?.matches('[type=password]')"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Walk:
    """A person who presses at random."""

    def __init__(self, page: Page, server: ServerProcess, seed: int) -> None:
        self.page = page
        self.server = server
        self.random = random.Random(seed)
        self.steps: deque[str] = deque(maxlen=_LAST)
        self.number = 0
        self.problems: dict[str, str] = {}
        self.addresses: list[str] = []
        page.add_init_script(_GUARD)
        page.on("pageerror", lambda error: self.report(f"script: {error.message}\n{error.stack or ''}"))
        page.on("console", self._hear)
        page.on("response", self._check)
        page.on("dialog", self._answer)
        page.context.on("page", lambda opened: opened.close())

    def report(self, problem: str) -> None:
        """Keep a problem, once, with the steps that led to it."""
        kind = problem.partition("\n")[0]
        if kind not in self.problems:
            self.problems[kind] = problem
            say(f"\nStep {self.number}, {self.page.url}\n{problem}\n  " + "\n  ".join(self.steps))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.text.startswith("BOUGHT "):
            self.report(_BOUGHT + message.text)

    def _check(self, response: Response) -> None:
        is_busy = response.status == 503 and response.url.endswith(".zip")  # two are packed already
        if response.status >= 500 and not is_busy:
            self.report(f"{response.status}: {response.request.method} {response.url.partition('?')[0]}")

    def _answer(self, dialog: Dialog) -> None:
        if self.random.random() < 0.5:
            dialog.accept()
        else:
            dialog.dismiss()

    def run(self, steps: int) -> None:
        """Make the steps; what a step cannot do because the page changed meanwhile is left out."""
        actions: list[Callable[[], None]] = [*[self._press] * 9, *[self._key] * 9, *[self._type] * 3]
        actions += [self._press_twice, self._point, self._scroll, self._wait, self._type_on, self._type_on]
        self._visit()
        for self.number in range(1, steps + 1):
            if self.random.random() < 1 / _STAY:
                self._visit()
            try:
                self.random.choice(actions)()
            except Error as error:
                self.steps.append(str(error).splitlines()[0])
            self.page.wait_for_timeout(self.random.choice((0, 0, 20, 150)))
        self.page.wait_for_timeout(1000)

    def _visit(self) -> None:
        """Go to another page, in a window of another size, and by a link of the page or by its address."""
        if not self.addresses or self.random.random() < 0.2:
            self.addresses = _furnish(self.server, self.random)
        width, height = self.random.choice(_WINDOWS)
        address = self.random.choice(self.addresses)
        self.steps.append(f"go to {address} at {width}×{height}")
        try:
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.goto(self.server.address + address)
        except Error as error:  # the page was left by a step that has not ended
            self.steps.append(str(error).splitlines()[0])

    def _control(self, what: str) -> dict[str, Any]:
        """A control, which the step is about."""
        control: dict[str, Any] = self.page.evaluate(_CONTROL, self.random.random())
        self.steps.append(f"{what} {control['words']}")
        return control

    def _press(self) -> None:
        control = self._control("press")
        button: Any = "right" if self.random.random() < 0.05 else "left"
        self.page.mouse.click(control["x"], control["y"], button=button)

    def _press_twice(self) -> None:
        control = self._control("press twice")
        self.page.mouse.dblclick(control["x"], control["y"])

    def _point(self) -> None:
        control = self._control("point at")
        self.page.mouse.move(control["x"], control["y"], steps=2)

    def _scroll(self) -> None:
        self.steps.append("scroll")
        self.page.mouse.wheel(0, self.random.choice((-800, 300, 800)))

    def _wait(self) -> None:
        self.steps.append("wait")
        self.page.wait_for_timeout(700)

    def _key(self) -> None:
        self.steps.append(self.random.choice(_KEYS))
        self.page.keyboard.press(self.steps[-1])

    def _type_on(self) -> None:
        """Press a key that takes in what was typed, and type on without a look."""
        self._press()
        self.steps.append("Control+Enter, and type on")
        self.page.keyboard.press("Control+Enter")
        self.page.keyboard.type("blue dog ")

    def _type(self) -> None:
        words = self.random.choice(_WORDS)
        if self.page.evaluate(_IS_SECRET):  # a password would lock the walk out
            return
        self.steps.append(f"type {words!r}")
        self.page.keyboard.type(words)


def _furnish(server: ServerProcess, chance: random.Random) -> list[str]:
    """Make a table with pictures, one with a recipe and reference images -> the addresses of all pages."""
    upload(server, f"示例{chance.randrange(100)}.png")
    rows = [
        {
            "prompt": f"{chance.randrange(10**6)} 第 {n} 款",
            "resolution": "256x256",
            "num_images": chance.randint(1, 3),
        }
        for n in range(6)
    ]
    made = _table(server, rows, name="茶具")
    server.wait_for_end(str(server.post(f"/api/tables/{made}/run", {})["batch_id"]))
    products = _table(server, [{"columns": {"SKU": f"A-{n}", "品名": "茶壶"}} for n in range(3)])
    roles = [{"role": role, "prompt": f"{{SKU}}，{role}"} for role in ("主图", "白底")]
    server.post(f"/api/tables/{products}/recipe", {"recipe": {"name": "两张", "roles": roles}})
    bad = _table(server, [{"prompt": "猫", "aspect_ratio": "7:5"}, {"prompt": "", "filename": "a/b"}])
    tables = [
        f"/batch?table={table}{view}" for table in (made, products, bad) for view in ("", "&view=pictures")
    ]
    pages = ["/", "/batch", "/batch?new=1", "/records", "/records?view=grid", "/samples", "/usage", "/model"]
    return [*tables * 2, *pages, "/usage", "/records", "/people", "/records?trash=1"]


def _table(server: ServerProcess, rows: list[dict[str, Any]], **more: Any) -> str:
    return str(server.post("/api/tables", {"rows": rows, **more})["table"]["id"])


def walk(seed: int, steps: int) -> list[str]:
    """What was wrong."""
    with (
        tempfile.TemporaryDirectory(prefix="walk-") as folder,
        running_server(Path(folder), image_model="demo") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=require_browser(), args=FLAGS)
        page = browser.new_context(locale="zh-CN", reduced_motion="reduce").new_page()
        page.set_default_timeout(10_000)
        walked = Walk(page, server, seed)
        walked.run(steps)
        browser.close()
        if "Traceback" in server.log():
            walked.report("log: " + server.log()[server.log().index("Traceback") :][:3000])
    return list(walked.problems.values())


def main() -> int:
    """Walk as the command line says, and tell the seed -> the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.walk", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of an earlier walk; another one by default")
    parser.add_argument("--steps", type=int, default=1500)
    chosen = parser.parse_args()
    seed = random.randrange(100_000) if chosen.seed is None else chosen.seed
    say(f"make walk SEED={seed} STEPS={chosen.steps}")
    isolate_environment()
    problems = walk(seed, chosen.steps)
    say(f"{len(problems)} problems in {chosen.steps} steps, seed {seed}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
