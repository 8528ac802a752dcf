// Uploads into the library, several at once: a row for each file and a total. A failed one stays, with its reason.

import { announce } from "./toast.js";
import { _, formatDuration } from "../core/i18n.js";
import { upload } from "../core/upload.js";
import { attempt } from "../core/http.js";

const RETRYABLE = [0, 408, 429]; // and all from 500: the file is not the reason
const LONG_UPLOAD = 10; // seconds
const MIN_MEASURED = 2; // seconds, before the speed is known
const ANNOUNCEMENTS = 4; // a screen reader hears of each quarter

/**
 * In the elements of partials/uploads.html. Returns {add(files)}.
 *
 * onStored(image, file)  an image of the library arrived; a message that it returns keeps its row
 * onEnd(count)      nothing is under way any more, and `count` arrived
 * onCancel()        an upload was cancelled, which may have arrived all the same
 * opener            has the focus after the last row
 * lastFirst         upload the last file first: where only the time of arrival counts, the first is then the newest
 */
export function makeUploads(element, { url, atOnce, opener, lastFirst = false, onStored = () => "", onCancel = () => {}, onEnd }) {
  const list = element.querySelector("[data-upload-list]");
  const total = makeUploadTotal(element.querySelector("[data-upload-total]"));
  let items = [];

  const inState = (...states) => items.filter(({ state }) => states.includes(state));
  const unfinished = () => inState("waiting", "uploading");
  const retryable = () => items.filter(({ row }) => !row.querySelector("[data-retry]").hidden);

  function add(files) {
    if (!unfinished().length) begin();
    const now = Date.now() / 1000;
    const added = files.map((file, index) => makeItem(element, file, now - index / 1000));
    items.push(...(lastFirst ? [...added].reverse() : added));
    list.append(...added.map(({ row }) => row));
    if (items.length > 1) announce(_("开始上传 {n} 个文件", { n: files.length }));
    startWaiting();
  }

  function begin() {
    items = items.filter(({ state }) => state !== "done");
    total.begin(items);
  }

  function startWaiting() {
    const free = atOnce - inState("uploading").length;
    inState("waiting").slice(0, Math.max(free, 0)).forEach(send);
    render();
  }

  async function send(item) {
    const { signal } = item.controller;
    item.state = "uploading";
    await attempt(async () => {
      const answer = await upload(url, item.file, { signal, fields: { added_at: item.addedAt }, onProgress: (share) => showProgress(item, share) });
      const message = answer && (await onStored(answer.images[0], item.file));
      if (!signal.aborted) finish(item, message);
    }, (message, { status = 0 }) => { if (!signal.aborted) fail(item, { status, message }); });
    if (!signal.aborted) proceed();
  }

  function proceed() {
    startWaiting();
    const count = inState("done").length;
    if (count && !unfinished().length) onEnd(count);
  }

  function showProgress(item, share) {
    item.sent = share;
    item.row.querySelector("progress").value = share;
    if (share === 1) showStatus(item, _("正在检查和保存…"));
    render();
  }

  function finish(item, message) {
    item.state = message ? "kept" : "done";
    if (message) return keepRow(item, message);
    releaseFocus(item.row);
    item.row.remove();
    return undefined;
  }

  function fail(item, { status, message }) {
    const focused = item.row.contains(document.activeElement) && document.activeElement;
    item.state = "failed";
    item.row.classList.add("is-bad");
    keepRow(item, message);
    item.row.querySelector("[data-retry]").hidden = !(status >= 500 || RETRYABLE.includes(status));
    list.prepend(item.row);
    if (focused) focused.focus();
    if (items.length === 1) announce(_("{name}：{message}", { name: item.file.name, message }));
  }

  function retry(chosen) {
    const isFirst = !unfinished().length;
    for (const item of chosen) {
      const fresh = makeItem(element, item.file);
      item.row.replaceWith(fresh.row);
      items[items.indexOf(item)] = fresh;
    }
    if (isFirst) begin();
    startWaiting();
  }

  function cancel(chosen) {
    const [{ file }] = chosen;
    announce(chosen.length > 1 ? _("已取消上传 {n} 个文件", { n: chosen.length }) : _("已取消上传 {name}", { name: file.name }));
    for (const item of chosen) {
      item.controller.abort();
      total.forget(item);
    }
    dismiss(chosen);
    onCancel();
    proceed();
  }

  /** Remove rows; the focus goes to the one that takes their place. */
  function dismiss(chosen) {
    const index = [...list.children].indexOf(chosen[0].row);
    for (const { row } of chosen) row.remove();
    items = items.filter((item) => !chosen.includes(item));
    render();
    const next = list.children[index] ?? list.lastElementChild;
    (next?.querySelector("[data-leave]") ?? opener).focus();
  }

  /** What disappears by itself passes its focus to nothing that a key pressed just then would cancel. */
  function releaseFocus(disappearing) {
    if (disappearing.contains(document.activeElement)) opener.focus();
  }

  function render() {
    const isOver = !unfinished().length;
    const cancelAll = element.querySelector("[data-cancel-all]");
    if (isOver) releaseFocus(cancelAll);
    element.hidden = list.children.length === 0;
    total.show(items);
    cancelAll.hidden = isOver || items.length < 2;
    element.querySelector("[data-retry-all]").hidden = !isOver || retryable().length < 2;
    element.querySelector("[data-dismiss-all]").hidden = !isOver || list.children.length < 2;
  }

  element.addEventListener("click", ({ target }) => {
    const item = items.find(({ row }) => row.contains(target));
    if (target.closest("[data-retry]")) retry([item]);
    else if (target.closest("[data-leave]")) (unfinished().includes(item) ? cancel : dismiss)([item]);
    else if (target.closest("[data-retry-all]")) retry(retryable());
    else if (target.closest("[data-cancel-all]")) cancel(unfinished());
    else if (target.closest("[data-dismiss-all]")) dismiss(inState("failed", "kept"));
  });
  window.addEventListener("beforeunload", (event) => unfinished().length && event.preventDefault());
  return { add };
}

/**
 * {file, addedAt, row, state, sent, controller}; addedAt: Unix time, by which the files of a list are in its order; state:
 * waiting, uploading, then done, kept (with a message) or failed; sent: 0 to 1.
 */
function makeItem(element, file, addedAt) {
  const row = element.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
  const { name } = file;
  row.querySelector(".upload-name").textContent = row.querySelector(".upload-name").title = name;
  row.querySelector("progress").setAttribute("aria-label", _("上传 {name}", { name }));
  row.querySelector("[data-retry]").setAttribute("aria-label", _("重试 {name}", { name }));
  row.querySelector("[data-leave]").setAttribute("aria-label", _("取消 {name}", { name }));
  return { file, addedAt, row, state: "waiting", sent: 0, controller: new AbortController() };
}

function showStatus({ row }, message) {
  row.querySelector(".upload-status").textContent = row.querySelector(".upload-status").title = message;
}

/** The upload is over; the row stays until it is closed. */
function keepRow(item, message) {
  showStatus(item, message);
  item.row.querySelector("progress").hidden = true;
  item.row.querySelector("[data-leave]").setAttribute("aria-label", _("关闭 {name}", { name: item.file.name }));
}

// One line for all uploads: how many are done, failed and left, and how long it still takes when that is long.

/** Upload items are {file, state, sent}, as in uploads.js. Returns {begin(items), forget(item), show(items)}. */
function makeUploadTotal(element) {
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
