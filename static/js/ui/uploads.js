// Files into the library, many at once: each on its line, all of them in one sum; what failed stays and says why.

import { HttpError, LONG_TIMEOUT, TOO_SLOW, UNREACHABLE, UNREADABLE } from "../core/http.js";
import { _, formatDuration } from "../core/i18n.js";
import { announce } from "./messages.js";

const PASSING = [0, 408, 429]; // and all from 500: the file itself is not the matter

/** In the parts of partials/uploads.html -> {add(files)}.
 *
 * kept(picture of the library) may put it into the page, and give a word that keeps its line there; ended(n) is
 * called with the number that came, when nothing is on its way any more; cancelled() when something was taken off it.
 * `opener` has the focus after the last line.
 */
export function makeUploads(place, { url, atOnce, opener, kept = () => "", cancelled = () => {}, ended }) {
  const list = place.querySelector("[data-upload-list]");
  const sum = uploadSum(place);
  let items = [];

  const inState = (...states) => items.filter(({ state }) => states.includes(state));
  const underWay = () => inState("waiting", "coming");
  const again = () => items.filter(({ row }) => !row.querySelector("[data-retry]").hidden);

  function add(files) {
    if (!underWay().length) begin();
    const fresh = files.map((file) => makeItem(place, file));
    items.push(...fresh);
    list.append(...fresh.map(({ row }) => row));
    if (items.length > 1) announce(_("开始上传 {n} 个文件", { n: files.length }));
    work();
  }

  function begin() {
    items = items.filter(({ state }) => state !== "done");
    sum.begin(items);
  }

  /** What waits is sent, as many at once as may be. */
  function work() {
    const free = atOnce - inState("coming").length;
    inState("waiting").slice(0, Math.max(free, 0)).forEach(send);
    draw();
  }

  async function send(item) {
    item.state = "coming";
    try {
      const answer = await upload(url, item.file, (share) => advance(item, share), item.stop.signal);
      const word = answer && (await kept(answer.images[0]));
      if (item.stop.signal.aborted) return;
      settle(item, word);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      if (item.stop.signal.aborted) return;
      fail(item, failure);
    }
    goOn();
  }

  function goOn() {
    work();
    const came = inState("done").length;
    if (came && !underWay().length) ended(came);
  }

  function advance(item, share) {
    item.sent = share;
    item.row.querySelector("progress").value = share;
    if (share === 1) showState(item, _("正在检查和保存…"));
    draw();
  }

  function settle(item, word) {
    item.state = word ? "noted" : "done";
    if (word) return keepVisible(item, word);
    letFocusGo(item.row);
    item.row.remove();
  }

  function fail(item, { status, message }) {
    const focused = item.row.contains(document.activeElement) && document.activeElement;
    item.state = "failed";
    item.row.classList.add("is-bad");
    keepVisible(item, message);
    item.row.querySelector("[data-retry]").hidden = !(status >= 500 || PASSING.includes(status));
    list.prepend(item.row);
    if (focused) focused.focus();
    if (items.length === 1) announce(_("{name}：{message}", { name: item.file.name, message }));
  }

  function retry(chosen) {
    const isFirst = !underWay().length;
    for (const item of chosen) {
      const fresh = makeItem(place, item.file);
      item.row.replaceWith(fresh.row);
      items[items.indexOf(item)] = fresh;
    }
    if (isFirst) begin();
    work();
  }

  /** What the server has whole by now is kept all the same; the list of the page tells of it. */
  function cancel(chosen) {
    const [{ file }] = chosen;
    announce(chosen.length > 1 ? _("已取消上传 {n} 个文件", { n: chosen.length }) : _("已取消上传 {name}", { name: file.name }));
    for (const item of chosen) {
      item.stop.abort();
      sum.forget(item);
    }
    dismiss(chosen);
    cancelled();
    goOn();
  }

  /** The focus goes to the line that comes into their place. */
  function dismiss(chosen) {
    const at = [...list.children].indexOf(chosen[0].row);
    for (const { row } of chosen) row.remove();
    items = items.filter((item) => !chosen.includes(item));
    draw();
    const next = list.children[at] ?? list.lastElementChild;
    (next?.querySelector("[data-leave]") ?? opener).focus();
  }

  /** What goes by itself gives the focus to nothing that a key pressed just then would cancel. */
  function letFocusGo(element) {
    if (element.contains(document.activeElement)) opener.focus();
  }

  function draw() {
    const isOver = !underWay().length;
    const cancelAll = place.querySelector("[data-cancel-all]");
    if (isOver) letFocusGo(cancelAll);
    place.hidden = list.children.length === 0;
    sum.show(items);
    cancelAll.hidden = isOver || items.length < 2;
    place.querySelector("[data-retry-all]").hidden = !isOver || again().length < 2;
    place.querySelector("[data-dismiss-all]").hidden = !isOver || list.children.length < 2;
  }

  place.addEventListener("click", ({ target }) => {
    const item = items.find(({ row }) => row.contains(target));
    if (target.closest("[data-retry]")) retry([item]);
    else if (target.closest("[data-leave]")) (underWay().includes(item) ? cancel : dismiss)([item]);
    else if (target.closest("[data-retry-all]")) retry(again());
    else if (target.closest("[data-cancel-all]")) cancel(underWay());
    else if (target.closest("[data-dismiss-all]")) dismiss(inState("failed", "noted"));
  });
  window.addEventListener("beforeunload", (event) => underWay().length && event.preventDefault());
  return { add };
}

// One file and its line on the page: how far it has come, then what is the matter with it, if anything.


/** -> {file, row, state, sent: 0..1, stop}; state: waiting, coming, then done, noted or failed. `stop` cancels it. */
export function makeItem(place, file) {
  const row = place.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
  row.querySelector(".upload-name").textContent = row.querySelector(".upload-name").title = file.name;
  row.querySelector("progress").setAttribute("aria-label", _("上传 {name}", { name: file.name }));
  row.querySelector("[data-retry]").setAttribute("aria-label", _("重试 {name}", { name: file.name }));
  row.querySelector("[data-leave]").setAttribute("aria-label", _("取消 {name}", { name: file.name }));
  return { file, row, state: "waiting", sent: 0, stop: new AbortController() };
}

function showState({ row }, word) {
  row.querySelector(".upload-status").textContent = row.querySelector(".upload-status").title = word;
}

/** It is over; the word stays until it is closed. */
function keepVisible(item, word) {
  showState(item, word);
  item.row.querySelector("progress").hidden = true;
  item.row.querySelector("[data-leave]").setAttribute("aria-label", _("关闭 {name}", { name: item.file.name }));
}

// Sends one file by XMLHttpRequest: fetch does not tell how much of a body was sent.


/** Send one picture, told how far it has come (0..1). Returns the answer's object, or null when `signal` stopped it.
 *
 * One too large is not sent at all.
 */
export function upload(url, file, progress, signal) {
  const limit = Number(document.body.dataset.uploadLimit);
  if (file.size > limit) return Promise.reject(new HttpError(tooLarge(file.size, limit), { status: 413 }));
  const body = new FormData();
  body.append("file", file, file.name || _("图片"));
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.responseType = "json";
  request.timeout = LONG_TIMEOUT;
  signal.addEventListener("abort", () => request.abort());
  request.upload.addEventListener("progress", (event) => event.total && progress(event.loaded / event.total));
  return new Promise((resolve, reject) => {
    const fail = (sentence) => reject(new HttpError(sentence, { status: request.status, ...request.response }));
    request.addEventListener("error", () => fail(UNREACHABLE));
    request.addEventListener("timeout", () => fail(TOO_SLOW));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", () => {
      if (request.status < 300 && request.response) resolve(request.response);
      else fail(request.response?.error || UNREADABLE);
    });
    request.send(body);
  });
}

function tooLarge(size, limit) {
  const [has, most] = [size, limit].map((bytes) => Math.round(bytes / 2 ** 20));
  return _("有 {has} MB，每张图片最多 {most} MB，请压缩后再上传", { has, most });
}

// One line for all files on their way: done, failed, left, of how many, and how long still when that is long.


const LONG_UPLOAD = 10; // seconds
const FIRST_GUESS = 2;
const STEPS = 4; // a screen reader hears of each quarter

/** -> {begin(items), forget(item), show(items)}; an item is {file, state, sent: 0..1}. */
function uploadSum(place) {
  const line = place.querySelector("[data-upload-total]");
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
    line.hidden = items.length < 2 && seconds <= LONG_UPLOAD;
    const words = [_("完成 {success} / {total}", { success: count("done", "noted"), total: items.length })];
    if (count("failed")) words.push(_("失败 {failed}", { failed: count("failed") }));
    if (left) words.push(_("剩 {left}", { left }));
    const summary = words.join(" · ");
    if (seconds > LONG_UPLOAD) words.push(_("还要约 {duration}", { duration: formatDuration(inSteps(seconds)) }));
    line.querySelector("[data-upload-status]").textContent = words.join(" · ");
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
