// Where the open table stands and what comes next, as the server says it: the sentence of the head, the filled button, the quiet ones
// beside it, the line of progress, the tab's title.

import { apply, create, reconcileChildren, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

const COMMANDS = { fix: "next-problem", share: "rounds", answers: "rounds" }; // others have the name of the action
const MARKS = { failed: "⚠", made: "✓", kept: "✓", delivered: "✓" }; // before the title
const MARK = /^(\(\d+\/\d+\)|⚠|✓) /u;
const SEGMENTS = { "is-done": ["made"], "is-failed": ["failed", "paid"], "is-unknown": ["unknown"], "is-busy": ["running"] };

/** `read()` is the stage of the table, see app/tables/stage.py, or null. Returns {show(), setLimit(limit): the own one that pauses the run, or null}. */
export function makeStage(page, read) {
  const section = page.querySelector("[data-run]");
  const [beside, bar, start] = ["[data-stage-beside]", "[data-run-bar]", ".batch-footer-start"].map((part) => page.querySelector(part));
  const isOwner = "owner" in page.dataset;
  let limit = null;

  function update() {
    const stage = read();
    const isPaused = stage?.name === "paused";
    const [action, ...quiet] = offeredOf(stage, { isOwner, isOverLimit: isPaused && limit !== null, isInPictures: page.classList.contains("is-pictures") });
    const isStart = action?.name === "start";
    const focused = document.activeElement;
    const hasFocus = section.contains(focused);
    const wanted = action && !isStart ? { hidden: false, textContent: action.label, data: { command: commandOf(action) } } : { hidden: true };
    show(page, {
      "[data-stage]": { textContent: isPaused && limit !== null ? _("请主人调高你的上限（¥{limit} 用完了）", { limit }) : stage?.sentence ?? "", classes: { "is-paused": isPaused } },
      "[data-stage-action]": wanted,
      "[data-stage-foot]": wanted,
      '[data-command="pause"]': { hidden: stage?.name !== "running" },
    });
    section.dataset.stageName = stage?.name ?? "";
    apply(start, { classes: { "is-primary": isStart, "is-next": isStart } });
    reconcileChildren(beside, quiet.map(createButton), ({ dataset, textContent }) => dataset.command + textContent);
    showBar(bar, stage?.counts);
    showTitle(stage);
    if (hasFocus && !(section.contains(document.activeElement) && document.activeElement.checkVisibility())) focusNext();
  }

  /** The keyboard goes on from the button that takes the place of the one that is gone. */
  function focusNext() {
    const next = [...section.querySelectorAll("button")].findLast((button) => button.checkVisibility());
    (next ?? page.querySelector('[data-command="more"]')).focus();
  }

  document.addEventListener("status", () => showTitle(read())); // it may have been written anew
  return {
    show: update,
    setLimit(value) {
      if (value === limit) return;
      limit = value;
      update();
    },
  };
}

/** The filled action, or undefined, and the quiet ones; 看图 is not offered in it, and is never a quiet one: a tab beside leads there. */
function offeredOf(stage, { isOwner, isOverLimit, isInPictures }) {
  if (!stage) return [];
  const isOffered = ({ name }) => (isOwner || name !== "raise_budget") && !(name === "look" && isInPictures);
  const offered = [stage.action, ...stage.beside].filter((action) => action && isOffered(action));
  const action = stage.action && !isOverLimit ? offered.shift() : undefined;
  return [action, ...(isOverLimit ? [] : offered.filter(({ name }) => name !== "look"))];
}

const commandOf = ({ name }) => COMMANDS[name] ?? name;

function createButton(action) {
  return create("button", { type: "button", className: "button is-small is-quiet", textContent: action.label, data: { command: commandOf(action) } });
}

function showBar(bar, counts = {}) {
  const shares = Object.entries(SEGMENTS).map(([name, parts]) => [name, parts.reduce((sum, part) => sum + (counts[part] ?? 0), 0)]);
  const done = shares.slice(0, 3).reduce((sum, [, count]) => sum + count, 0);
  const share = (count) => (counts.pictures ? count / counts.pictures * 100 : 0);
  for (const [name, count] of shares) bar.querySelector(`.${name}`).style.width = `${share(count)}%`;
  apply(bar, {
    ariaValueNow: String(Math.round(share(done))),
    ariaValueText: _("做好 {made}，没有成功 {failed}，共 {pictures} 张", { made: counts.made ?? 0, failed: missingOf(counts), pictures: counts.pictures ?? 0 }),
  });
}

/** How many pictures were ordered and are not there. */
export function missingOf({ failed = 0, unknown = 0, paid = 0 } = {}) {
  return failed + unknown + paid;
}

function showTitle(stage) {
  const { counts, name } = stage ?? {};
  const mark = name === "running" || name === "paused" ? `(${counts.made}/${counts.made + counts.running + counts.queued})` : MARKS[name];
  const title = (mark ? `${mark} ` : "") + document.title.replace(MARK, "");
  if (title !== document.title) document.title = title;
}
