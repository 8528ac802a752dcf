// Uploads into the library, several at once: a row for each file and a total. A failed one stays, with its reason.

import { announce } from "./toast.js";
import { copyOf, show } from "../core/dom.js";
import { attempt } from "../core/http.js";
import { _, formatDuration } from "../core/i18n.js";
import { upload } from "../core/upload.js";

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
export function makeUploads(element, options) {
  const uploads = new Uploads(element, options);
  return { add: (files) => uploads.add(files) };
}

/**
 * An item is {file, addedAt, row, state, sent, controller}; addedAt: Unix time, by which the files of a list are in its order; state:
 * waiting, uploading, then done, kept (with a message) or failed; sent: 0 to 1.
 */
class Uploads {
  #element;
  #options;
  #list;
  #items = [];
  #begun = { at: 0, sent: 0, announced: 0 }; // when, how many bytes were sent before, and how many quarters were announced

  constructor(element, { lastFirst = false, onStored = () => "", onCancel = () => {}, ...options }) {
    this.#element = element;
    this.#options = { lastFirst, onStored, onCancel, ...options };
    this.#list = element.querySelector("[data-upload-list]");
    element.addEventListener("click", ({ target }) => {
      const item = this.#items.find(({ row }) => row.contains(target));
      if (target.closest("[data-retry]")) this.#retry([item]);
      else if (target.closest("[data-leave]")) this.#leave([item]);
      else if (target.closest("[data-retry-all]")) this.#retry(this.#retryable);
      else if (target.closest("[data-cancel-all]")) this.#leave(this.#unfinished);
      else if (target.closest("[data-dismiss-all]")) this.#leave(this.#in("failed", "kept"));
    });
    window.addEventListener("beforeunload", (event) => this.#unfinished.length && event.preventDefault());
  }

  #in(...states) { return this.#items.filter(({ state }) => states.includes(state)); }
  get #unfinished() { return this.#in("waiting", "uploading"); }
  get #retryable() { return this.#items.filter(({ row }) => !row.querySelector("[data-retry]").hidden); }

  add(files) {
    if (!this.#unfinished.length) this.#begin();
    const now = Date.now() / 1000;
    const added = files.map((file, index) => this.#makeItem(file, now - index / 1000));
    this.#items.push(...(this.#options.lastFirst ? [...added].reverse() : added));
    this.#list.append(...added.map(({ row }) => row));
    if (this.#items.length > 1) announce(_("开始上传 {n} 个文件", { n: files.length }));
    this.#startWaiting();
  }

  #makeItem(file, addedAt) {
    const { name } = file;
    const row = copyOf(this.#element.querySelector("[data-upload-row]"), {
      ".upload-name": { textContent: name, title: name },
      progress: { ariaLabel: _("上传 {name}", { name }) },
      "[data-retry]": { ariaLabel: _("重试 {name}", { name }) },
      "[data-leave]": { ariaLabel: _("取消 {name}", { name }) },
    });
    return { file, addedAt, row, state: "waiting", sent: 0, controller: new AbortController() };
  }

  #begin() {
    this.#items = this.#items.filter(({ state }) => state !== "done");
    this.#begun = { at: performance.now(), sent: sentBytes(this.#items), announced: 0 };
  }

  #startWaiting() {
    const free = this.#options.atOnce - this.#in("uploading").length;
    for (const item of this.#in("waiting").slice(0, Math.max(free, 0))) this.#send(item);
    this.#show();
  }

  async #send(item) {
    const { url, onStored } = this.#options;
    const { signal } = item.controller;
    item.state = "uploading";
    await attempt(async () => {
      const answer = await upload(url, item.file, { signal, fields: { added_at: item.addedAt }, onProgress: (share) => this.#showProgress(item, share) });
      const message = answer && (await onStored(answer.images[0], item.file));
      if (!signal.aborted) this.#finish(item, message);
    }, (message, { status = 0 }) => { if (!signal.aborted) this.#fail(item, { status, message }); });
    if (!signal.aborted) this.#proceed();
  }

  #proceed() {
    this.#startWaiting();
    const count = this.#in("done").length;
    if (count && !this.#unfinished.length) this.#options.onEnd(count);
  }

  #showProgress(item, share) {
    item.sent = share;
    show(item.row, { progress: { value: share } });
    if (share === 1) showStatus(item, _("正在检查和保存…"));
    this.#show();
  }

  /** With a message the row stays until it is closed. */
  #finish(item, message) {
    item.state = message ? "kept" : "done";
    if (message) return keepRow(item, message);
    this.#releaseFocus(item.row);
    return item.row.remove();
  }

  #fail(item, { status, message }) {
    const focused = item.row.contains(document.activeElement) && document.activeElement;
    item.state = "failed";
    item.row.classList.add("is-bad");
    keepRow(item, message);
    show(item.row, { "[data-retry]": { hidden: !(status >= 500 || RETRYABLE.includes(status)) } });
    this.#list.prepend(item.row);
    if (focused) focused.focus();
    if (this.#items.length === 1) announce(_("{name}：{message}", { name: item.file.name, message }));
  }

  #retry(chosen) {
    const isFirst = !this.#unfinished.length;
    for (const item of chosen) {
      const fresh = this.#makeItem(item.file);
      item.row.replaceWith(fresh.row);
      this.#items[this.#items.indexOf(item)] = fresh;
    }
    if (isFirst) this.#begin();
    this.#startWaiting();
  }

  /** Cancel what is not over, and remove the rows; the focus goes to the one that takes their place. */
  #leave(chosen) {
    const [first] = chosen;
    const isCancelled = this.#unfinished.includes(first);
    const index = [...this.#list.children].indexOf(first.row);
    if (isCancelled) announce(chosen.length > 1 ? _("已取消上传 {n} 个文件", { n: chosen.length }) : _("已取消上传 {name}", { name: first.file.name }));
    for (const item of chosen) {
      if (isCancelled) item.controller.abort();
      if (isCancelled) this.#begun.sent -= sentBytes([item]); // what was sent of it still tells the speed
      item.row.remove();
    }
    this.#items = this.#items.filter((item) => !chosen.includes(item));
    this.#show();
    const next = this.#list.children[index] ?? this.#list.lastElementChild;
    (next?.querySelector("[data-leave]") ?? this.#options.opener).focus();
    if (!isCancelled) return;
    this.#options.onCancel();
    this.#proceed();
  }

  /** What disappears by itself passes its focus to nothing that a key pressed just then would cancel. */
  #releaseFocus(disappearing) {
    if (disappearing.contains(document.activeElement)) this.#options.opener.focus();
  }

  #show() {
    const [isOver, rows] = [!this.#unfinished.length, this.#list.children.length];
    if (isOver) this.#releaseFocus(this.#element.querySelector("[data-cancel-all]"));
    this.#element.hidden = rows === 0;
    show(this.#element, {
      "[data-cancel-all]": { hidden: isOver || this.#items.length < 2 },
      "[data-retry-all]": { hidden: !isOver || this.#retryable.length < 2 },
      "[data-dismiss-all]": { hidden: !isOver || rows < 2 },
    });
    this.#showTotal();
  }

  /** One line for all: how many are done, failed and left, and how long it still takes when that is long. */
  #showTotal() {
    const [total, left, failed] = [this.#items.length, this.#unfinished.length, this.#in("failed").length];
    const seconds = left ? this.#secondsLeft() : 0;
    const counts = [
      _("完成 {success} / {total}", { success: this.#in("done", "kept").length, total }),
      failed > 0 && _("失败 {failed}", { failed }), left > 0 && _("剩 {left}", { left }),
    ].filter(Boolean).join(" · ");
    const isLong = seconds > LONG_UPLOAD;
    show(this.#element, {
      "[data-upload-total]": { hidden: total < 2 && !isLong },
      "[data-upload-status]": [counts, isLong && _("还要约 {duration}", { duration: formatDuration(rounded(seconds)) })].filter(Boolean).join(" · "),
      "[data-upload-total] progress": { value: total > 0 ? sentBytes(this.#items) / totalBytes(this.#items) : 0, hidden: left === 0 },
    });
    const quarter = total > 1 ? Math.floor((total - left) / total * ANNOUNCEMENTS) : 0;
    if (quarter <= this.#begun.announced || (left > 0 && total < 2 * ANNOUNCEMENTS)) return;
    this.#begun.announced = quarter;
    announce(left > 0 ? counts : _("上传完成：{summary}", { summary: counts }));
  }

  #secondsLeft() {
    const seconds = (performance.now() - this.#begun.at) / 1000;
    const sent = sentBytes(this.#items) - this.#begun.sent;
    return seconds < MIN_MEASURED || sent <= 0 ? 0 : (totalBytes(this.#items) - sentBytes(this.#items)) / sent * seconds;
  }
}

function showStatus({ row }, message) {
  show(row, { ".upload-status": { textContent: message, title: message } });
}

function keepRow(item, message) {
  showStatus(item, message);
  show(item.row, { progress: { hidden: true }, "[data-leave]": { ariaLabel: _("关闭 {name}", { name: item.file.name }) } });
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
