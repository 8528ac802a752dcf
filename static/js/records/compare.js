// Two pictures side by side: looked at closely together, changed one by one, kept or rejected.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { makeViewerImage, makeZoom } from "../ui/image_viewer.js";

let open = null;

/** Two record elements; `given` is {records(): those to choose from, run(name, chosen, about), closed()}. */
export function openCompare(left, right, given) {
  open ??= build(document.querySelector("[data-compare]"));
  open(left, right, given);
}

function build(dialog) {
  const sides = [...dialog.querySelectorAll("[data-side]")];
  const part = (side, name) => side.querySelector(`[data-${name}]`);
  const shown = [null, null];
  const underWay = new Set(); // names of what is being done: pressed twice, it is done once
  let given = null;
  let active = 1;
  let trouble = "";

  const stages = sides.map((side) => makeViewerImage(part(side, "viewer-canvas")));
  const views = sides.map((side, at) =>
    makeZoom(part(side, "viewer-canvas"), part(side, "viewer-image"), {
      step: (step) => change(at, step),
      close: () => null,
      moved: (state) => views[1 - at].follow(state),
    }),
  );

  function start(left, right, hooks) {
    given = hooks;
    active = 1;
    dialog.showModal();
    dialog.focus();
    show(0, left);
    show(1, right);
  }

  function show(at, record) {
    shown[at] = record;
    stages[at].show(record.querySelector("[data-image-url]"));
    views[at].reset();
    draw();
  }

  function draw() {
    sides.forEach((side, at) => {
      side.classList.toggle("is-active", at === active);
      if (!shown[at]) return;
      const asked = JSON.parse(shown[at].dataset.request);
      part(side, "name").textContent = _("记录 {id}", { id: shown[at].dataset.recordId });
      part(side, "viewer-image").alt = asked.prompt;
      part(side, "prompt").textContent = asked.prompt;
      part(side, "prompt").title = asked.prompt;
      const pick = side.querySelector('[data-command="pick"]');
      pick.setAttribute("aria-pressed", String("favourite" in shown[at].dataset));
      pick.firstElementChild.classList.toggle("icon-star-full", "favourite" in shown[at].dataset);
      part(side, "metadata-line").replaceChildren(...diffMetadata(shown[at], shown[1 - at] ?? shown[at]));
    });
  }

  function change(at, step) {
    const others = given.records().filter((record) => id(record) !== id(shown[1 - at] ?? null));
    const next = others[others.findIndex((record) => id(record) === id(shown[at])) + step];
    if (next) show(at, next);
  }

  /** What goes wrong is said on the picture of its side. */
  async function attempt(name, job, at) {
    if (underWay.has(name)) return;
    underWay.add(name);
    if (trouble && part(sides[at], "viewer-message").textContent === trouble) stages[at].say("");
    try {
      await job();
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      trouble = failure.message;
      stages[at].say(trouble);
    } finally {
      underWay.delete(name);
    }
  }

  const judge = (name, at) => attempt(name, () => verdict(name, at), at);

  async function verdict(name, at) {
    const record = shown[at];
    if (name === "pick") {
      await given.run("favourite", { ids: [id(record)] }, { record });
      return draw();
    }
    const before = given.records().map(id).filter((number) => number !== id(shown[1 - at]));
    const place = before.indexOf(id(record));
    await given.run("reject", { ids: [id(record)] }, { record });
    return refresh(at, place);
  }

  /** The list was drawn anew: find both again; the place of the one that left goes to the next. */
  function refresh(at, place) {
    const all = given.records();
    shown[1 - at] = all.find((record) => id(record) === id(shown[1 - at])) ?? shown[1 - at];
    const others = all.filter((record) => id(record) !== id(shown[1 - at]));
    const next = others[place] ?? others.at(-1);
    if (!next) return dialog.close();
    return show(at, next);
  }

  /** What was rejected came back: the list was drawn anew. */
  function renew() {
    if (!dialog.open) return;
    const all = given.records();
    shown.forEach((old, at) => (shown[at] = all.find((record) => id(record) === id(old)) ?? old));
    draw();
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const jobs = {
      arrowleft: () => change(active, -1), arrowright: () => change(active, 1),
      1: () => activate(0), 2: () => activate(1),
      p: () => judge("pick", active), x: () => judge("reject", active),
      "+": () => views[0].by(1.5), "=": () => views[0].by(1.5), "-": () => views[0].by(1 / 1.5), 0: () => views[0].by(0),
    };
    if (!(key in jobs)) return;
    event.preventDefault();
    jobs[key]();
  });

  dialog.addEventListener("close", () => given.closed());
  document.addEventListener("records-restored", renew, { capture: true });

  function activate(at) {
    active = at;
    draw();
  }

  sides.forEach((side, at) => {
    side.addEventListener("pointerdown", () => activate(at));
    side.addEventListener("focusin", () => activate(at));
    side.addEventListener("click", (event) => {
      const button = event.target.closest("[data-step], [data-command]");
      if (button?.dataset.step) change(at, Number(button.dataset.step));
      else if (button) judge(button.dataset.command, at);
    });
  });
  return start;
}

function id(record) {
  return Number(record?.dataset.recordId);
}

// What two pictures side by side were made with, and wherein they differ.


/** Size, model, seed…; what differs from the other one stands out. */
function diffMetadata(record, other) {
  const [mine, theirs] = [record, other].map((one) => {
    const asked = JSON.parse(one.dataset.request);
    const told = one.querySelector("template[data-metadata]").content.querySelectorAll("dd");
    return [told[0].textContent, told[1].textContent, asked.seed == null ? "" : _("种子 {seed}", { seed: asked.seed })];
  });
  return mine.filter(Boolean).map((words) => {
    const element = document.createElement("span");
    element.textContent = words;
    element.classList.toggle("is-different", !theirs.includes(words));
    return element;
  });
}
