// Files into the library, many at once: each on its line, all of them in one sum; what failed stays and says why.

import { Failure } from "./api.js";
import { announce } from "./messages.js";
import { makeItem, stay, tell } from "./uploads/line.js";
import { upload } from "./uploads/send.js";
import { uploadSum } from "./uploads/sum.js";
import { _ } from "./words.js";

const PASSING = [0, 408, 429]; // and all from 500: the file itself is not the matter

/** In the parts of _uploads.html -> {add(files)}.
 *
 * kept(picture of the library) may put it into the page, and give a word that keeps its line there; ended(n) is
 * called with the number that came, when nothing is on its way any more; cancelled() when something was taken off it.
 * `opener` has the focus after the last line.
 */
export function uploads(place, { url, atOnce, opener, kept = () => "", cancelled = () => {}, ended }) {
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
      if (!(failure instanceof Failure)) throw failure;
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
    if (share === 1) tell(item, _("正在检查和保存…"));
    draw();
  }

  function settle(item, word) {
    item.state = word ? "noted" : "done";
    if (word) return stay(item, word);
    letFocusGo(item.row);
    item.row.remove();
  }

  function fail(item, { status, message }) {
    const focused = item.row.contains(document.activeElement) && document.activeElement;
    item.state = "failed";
    item.row.classList.add("is-bad");
    stay(item, message);
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
