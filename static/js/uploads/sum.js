// One line for all files on their way: done, failed, left, of how many, and how long still when that is long.

import { announce } from "../messages.js";
import { _, duration } from "../words.js";

const LONG = 10; // seconds
const FIRST_GUESS = 2;
const STEPS = 4; // a screen reader hears of each quarter

/** -> {begin(items), forget(item), show(items)}; an item is {file, state, sent: 0..1}. */
export function uploadSum(place) {
  const line = place.querySelector("[data-upload-sum]");
  let since = 0;
  let passedBefore = 0;
  let told = 0;

  function begin(items) {
    since = performance.now();
    passedBefore = passed(items);
    told = 0;
  }

  /** One that was cancelled is not counted any more; what came of it still tells how fast the line is. */
  function forget(item) {
    passedBefore -= passed([item]);
  }

  function show(items) {
    const count = (...states) => items.filter(({ state }) => states.includes(state)).length;
    const left = count("waiting", "coming");
    const seconds = left ? secondsLeft(items) : 0;
    line.hidden = items.length < 2 && seconds <= LONG;
    const words = [_("完成 {success} / {total}", { success: count("done", "noted"), total: items.length })];
    if (count("failed")) words.push(_("失败 {failed}", { failed: count("failed") }));
    if (left) words.push(_("剩 {left}", { left }));
    const summary = words.join(" · ");
    if (seconds > LONG) words.push(_("还要约 {duration}", { duration: duration(inSteps(seconds)) }));
    line.querySelector("[data-upload-words]").textContent = words.join(" · ");
    line.querySelector("progress").value = items.length ? passed(items) / whole(items) : 0;
    line.querySelector("progress").hidden = !left;
    sayAtQuarters(items.length, left, summary);
  }

  function sayAtQuarters(total, left, summary) {
    const reached = total > 1 ? Math.floor((total - left) / total * STEPS) : 0;
    if (reached <= told || (left && total < 2 * STEPS)) return;
    told = reached;
    announce(left ? summary : _("上传完成：{summary}", { summary }));
  }

  function secondsLeft(items) {
    const seconds = (performance.now() - since) / 1000;
    const came = passed(items) - passedBefore;
    return seconds < FIRST_GUESS || came <= 0 ? 0 : (whole(items) - passed(items)) / came * seconds;
  }

  return { begin, forget, show };
}

function whole(items) {
  return items.reduce((sum, { file }) => sum + file.size, 0) || 1;
}

function passed(items) {
  const share = ({ state, sent }) => ({ waiting: 0, coming: sent })[state] ?? 1;
  return items.reduce((sum, item) => sum + item.file.size * share(item), 0);
}

function inSteps(seconds) {
  return seconds < 60 ? Math.ceil(seconds / 5) * 5 : seconds;
}
