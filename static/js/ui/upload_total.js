// One line for all uploads: how many are done, failed and left, and how long it still takes when that is long.

import { _, formatDuration } from "../core/i18n.js";
import { announce } from "./toast.js";

const LONG_UPLOAD = 10; // seconds
const MIN_MEASURED = 2; // seconds, before the speed is known
const ANNOUNCEMENTS = 4; // a screen reader hears of each quarter

/** Upload items are {file, state, sent}, as in uploads.js. Returns {begin(items), forget(item), show(items)}. */
export function makeUploadTotal(element) {
  let startedAt = 0;
  let sentBefore = 0;
  let announced = 0;

  function begin(items) {
    startedAt = performance.now();
    sentBefore = sentBytes(items);
    announced = 0;
  }

  /** A cancelled upload does not count any more, though what was sent of it still tells the speed. */
  function forget(item) {
    sentBefore -= sentBytes([item]);
  }

  function show(items) {
    const count = (...states) => items.filter(({ state }) => states.includes(state)).length;
    const left = count("waiting", "uploading");
    const seconds = left ? secondsLeft(items) : 0;
    const parts = [_("完成 {success} / {total}", { success: count("done", "kept"), total: items.length })];
    if (count("failed")) parts.push(_("失败 {failed}", { failed: count("failed") }));
    if (left) parts.push(_("剩 {left}", { left }));
    const summary = parts.join(" · ");
    if (seconds > LONG_UPLOAD) parts.push(_("还要约 {duration}", { duration: formatDuration(rounded(seconds)) }));
    element.hidden = items.length < 2 && seconds <= LONG_UPLOAD;
    element.querySelector("[data-upload-status]").textContent = parts.join(" · ");
    element.querySelector("progress").value = items.length ? sentBytes(items) / totalBytes(items) : 0;
    element.querySelector("progress").hidden = !left;
    announceQuarter(items.length, left, summary);
  }

  function announceQuarter(total, left, summary) {
    const quarter = total > 1 ? Math.floor((total - left) / total * ANNOUNCEMENTS) : 0;
    if (quarter <= announced || (left && total < 2 * ANNOUNCEMENTS)) return;
    announced = quarter;
    announce(left ? summary : _("上传完成：{summary}", { summary }));
  }

  function secondsLeft(items) {
    const seconds = (performance.now() - startedAt) / 1000;
    const sent = sentBytes(items) - sentBefore;
    return seconds < MIN_MEASURED || sent <= 0 ? 0 : (totalBytes(items) - sentBytes(items)) / sent * seconds;
  }

  return { begin, forget, show };
}

function totalBytes(items) {
  return items.reduce((sum, { file }) => sum + file.size, 0) || 1;
}

function sentBytes(items) {
  const share = ({ state, sent }) => ({ waiting: 0, uploading: sent })[state] ?? 1;
  return items.reduce((sum, item) => sum + item.file.size * share(item), 0);
}

function rounded(seconds) {
  return seconds < 60 ? Math.ceil(seconds / 5) * 5 : seconds;
}
