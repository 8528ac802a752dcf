// Files into the library, many at once: each on its line, all of them in one sum; what failed stays and says why.

import { Failure, upload } from "./api.js";
import { announce } from "./messages.js";
import { uploadSum } from "./uploads/sum.js";
import { _ } from "./words.js";

const PASSING = [0, 408, 429]; // and all from 500: the file itself is not the matter

/** In the parts of _uploads.html -> {add(files)}.
 *
 * kept(picture of the library) may put it into the page, and give a word that keeps its line there; ended(n) is
 * called with the number that came, when nothing is on its way any more.
 */
export function uploads(place, { url, atOnce, kept = () => "", ended }) {
  const list = place.querySelector("[data-upload-list]");
  const sum = uploadSum(place);
  let items = [];

  const inState = (...states) => items.filter(({ state }) => states.includes(state));
  const again = () => items.filter(({ row }) => !row.querySelector("[data-retry]").hidden);
  const isUnderWay = () => inState("waiting", "coming").length > 0;

  function add(files) {
    if (!isUnderWay()) begin();
    const fresh = files.map(makeItem);
    items.push(...fresh);
    list.append(...fresh.map(({ row }) => row));
    if (items.length > 1) announce(_("开始上传 {n} 个文件", { n: files.length }));
    work();
  }

  function begin() {
    items = items.filter(({ state }) => state !== "done");
    sum.begin(items);
  }

  function makeItem(file) {
    const row = place.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
    row.querySelector(".upload-name").textContent = row.querySelector(".upload-name").title = file.name;
    row.querySelector("progress").setAttribute("aria-label", _("上传 {name}", { name: file.name }));
    row.querySelector("[data-retry]").setAttribute("aria-label", _("重试 {name}", { name: file.name }));
    row.querySelector("[data-dismiss]").setAttribute("aria-label", _("关闭 {name}", { name: file.name }));
    return { file, row, state: "waiting", sent: 0 };
  }

  function work() {
    const free = atOnce - inState("coming").length;
    inState("waiting").slice(0, Math.max(free, 0)).forEach(send);
    draw();
  }

  async function send(item) {
    item.state = "coming";
    try {
      const { images: [image] } = await upload(url, item.file, (share) => advance(item, share));
      settle(item, await kept(image));
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      fail(item, failure);
    }
    work();
    if (!isUnderWay()) end();
  }

  function advance(item, share) {
    item.sent = share;
    item.row.querySelector("progress").value = share;
    if (share === 1) tell(item, _("正在检查和保存…"));
    draw();
  }

  function settle(item, word) {
    item.state = word ? "noted" : "done";
    if (word) stay(item, word);
    else item.row.remove();
  }

  function fail(item, { status, message }) {
    item.state = "failed";
    item.row.classList.add("is-bad");
    stay(item, message);
    item.row.querySelector("[data-retry]").hidden = !(status >= 500 || PASSING.includes(status));
    list.prepend(item.row);
    if (items.length === 1) announce(_("{name}：{message}", { name: item.file.name, message }));
  }

  function stay(item, word) {
    tell(item, word);
    item.row.querySelector("progress").hidden = true;
    item.row.querySelector("[data-dismiss]").hidden = false;
  }

  function tell(item, word) {
    item.row.querySelector(".upload-word").textContent = item.row.querySelector(".upload-word").title = word;
  }

  function retry(chosen) {
    const isFirst = !isUnderWay();
    for (const item of chosen) {
      const fresh = makeItem(item.file);
      item.row.replaceWith(fresh.row);
      items[items.indexOf(item)] = fresh;
    }
    if (isFirst) begin();
    work();
  }

  function dismiss(chosen) {
    for (const { row } of chosen) row.remove();
    items = items.filter((item) => !chosen.includes(item));
    list.querySelector("[data-dismiss]:not([hidden])")?.focus();
    draw();
  }

  function end() {
    const came = inState("done").length;
    if (came) ended(came);
  }

  function draw() {
    place.hidden = list.children.length === 0;
    sum.show(items);
    place.querySelector("[data-retry-all]").hidden = isUnderWay() || again().length < 2;
    place.querySelector("[data-dismiss-all]").hidden = isUnderWay() || list.children.length < 2;
  }

  place.addEventListener("click", ({ target }) => {
    const item = items.find(({ row }) => row.contains(target));
    if (target.closest("[data-retry]")) retry([item]);
    else if (target.closest("[data-dismiss]")) dismiss([item]);
    else if (target.closest("[data-retry-all]")) retry(again());
    else if (target.closest("[data-dismiss-all]")) dismiss(inState("failed", "noted"));
  });
  window.addEventListener("beforeunload", (event) => isUnderWay() && event.preventDefault());
  return { add };
}
