// What a client sees of a round. Its state is below; what is on the screen follows from it in show().

import { apply, show as showParts } from "../core/dom.js";
import { attempt, requestJson, sendWhenLeaving } from "../core/http.js";
import { _, formatDay, parseTime } from "../core/i18n.js";
import { loadItem, saveItem } from "../core/storage.js";
import { Large } from "../rounds/large.js";
import { Marks } from "../rounds/marks.js";
import { commonRatio, createTile, showTile } from "../rounds/tiles.js";

const page = document.querySelector("[data-round]");
const ask = document.querySelector("[data-ask]");
const url = location.pathname.replace(/\/+$/, "");
const kept = `round ${url}`; // in storage: what the server does not have yet
const isWeChat = /MicroMessenger|wxwork/i.test(navigator.userAgent); // saves pictures by a long press only, and downloads nothing
const TRIES = 16; // to load a picture, for some minutes
const BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
const FILTERS = { all: () => true, chosen: ({ mark }) => mark === "heart", open: ({ mark }) => !mark, said: ({ comment }) => comment !== "" };
const EMPTY = { chosen: _("还没有选。点图片下面的 ♥ 就选上了。"), open: _("每一张都定了，可以提交了。") };
const SAVING = { "": _("已存"), sending: _("正在存…"), away: _("没网，连上就存"), later: _("稍后自动存") };

const state = { step: "loading", problem: "", filter: "all", members: new Set(), error: { n: 0, text: "" } };
const tiles = new Map(); // number -> element

const marks = new Marks((method, path, body) => requestJson(method, `${url}/${path}`, body), {
  changed: () => show(),
  keep: (unsent) => saveItem(kept, unsent),
  refused(text, [n]) { set({ error: { n, text } }); },
  gone: () => location.reload(), // to the form of its password, or to what is told of a link that ended
}, loadItem(kept));

const largeView = document.querySelector("[data-large]");
const large = new Large(largeView, url, {
  of: (n) => marks.of(n), set: (n, wanted) => marks.set(n, wanted), isLocked: () => marks.isLocked,
  closed(n) {
    const tile = tiles.get(n);
    tile.scrollIntoView({ block: "nearest" });
    tile.querySelector("[data-open]").focus({ preventScroll: true });
  },
});

function set(changes) {
  Object.assign(state, changes);
  show();
}

function show() {
  const isReady = state.step === "ready";
  const { filter, members, error } = state;
  const { pictures, round, isLocked } = marks;
  for (const picture of pictures) {
    const { n } = picture;
    const mark = marks.of(n);
    if (FILTERS[filter](mark)) members.add(n); // and stays until another filter is chosen
    showTile(tileOf(picture), { ...mark, isLocked, hidden: !members.has(n), error: error.n === n ? error.text : "" });
  }
  for (const [name, test] of Object.entries(FILTERS)) {
    const count = marks.count(test);
    showParts(page, {
      [`[data-filter="${name}"]`]: { ariaPressed: String(name === filter), hidden: count === 0 && name === "said" && name !== filter },
      [`[data-filter="${name}"] span`]: count,
    });
  }
  const isEmpty = isReady && members.size === 0;
  const canDownload = isLocked && round.download === "chosen" && marks.chosen > 0;
  showParts(page, {
    "[data-title]": round.client ? _("{client} · 选图", { client: round.client }) : _("选图"),
    "[data-facts]": isReady ? factsOf(round) : "",
    "[data-told]": { hidden: !isReady || !isLocked, textContent: _("已提交，谢谢！选的和写的都收到了。") },
    "[data-filters]": { hidden: !isReady },
    "[data-empty]": { hidden: isReady && !isEmpty },
    "[data-empty-text]": isEmpty ? EMPTY[filter] ?? _("这里没有图片。") : state.problem || _("正在打开…"),
    "[data-retry]": { hidden: state.step !== "failed" },
    "[data-foot]": { hidden: !isReady },
    ...sumParts(),
    "[data-submit]": { hidden: isLocked },
    "[data-download]": { hidden: !canDownload || isWeChat, href: `${url}/chosen.zip` },
    "[data-download-hint]": { hidden: !canDownload || !isWeChat },
  });
  apply(document.body, { classes: { "is-locked": isReady && isLocked } });
  showParts(largeView, { ...sumParts(), "[data-save-hint]": { hidden: !isWeChat || round.download !== "chosen" } });
  large.refresh();
}

/** How many are chosen, and whether that is saved. */
function sumParts() {
  const { saving, chosen: n, isLocked, round: { at_most: most } } = marks;
  const isNew = !saving && marks.count(({ mark, comment }) => mark || comment) === 0;
  return {
    "[data-sum]": most ? _("已选 {n} / 最多 {most}", { n, most }) : _("已选 {n} 张", { n }),
    "[data-saving]": { textContent: isLocked ? "" : isNew ? _("选了就自动存") : SAVING[saving], classes: { "is-away": saving === "away" || saving === "later" } },
  };
}

function tileOf(picture) {
  if (!tiles.has(picture.n)) {
    const tile = createTile(document.querySelector("[data-tile-template]"), url, picture);
    tiles.set(picture.n, tile);
    page.querySelector("[data-tiles]").append(tile);
  }
  return tiles.get(picture.n);
}

function factsOf({ number, at_most: most, ends_at: end }) {
  const facts = [
    number > 1 ? _("第 {n} 轮", { n: number }) : "", _("{n} 张图", { n: marks.pictures.length }), most ? _("选 {n} 张以内", { n: most }) : "",
    end ? _("{day}截止", { day: formatDay(new Date(parseTime(end))) }) : "",
  ];
  return facts.filter(Boolean).join(" · ");
}

function askToSubmit() {
  const { chosen } = marks;
  const [rejected, said] = [marks.count(({ mark }) => mark === "reject"), marks.count(FILTERS.said)];
  const sums = [
    chosen > 0 ? _("选了 {n} 张", { n: chosen }) : _("一张都没选"), rejected > 0 ? _("{n} 张不要", { n: rejected }) : "", said > 0 ? _("写了 {n} 句话", { n: said }) : "",
  ];
  showParts(ask, { "[data-ask-text]": _("{sums}。提交后不能再改。", { sums: sums.filter(Boolean).join(_("，")) }), "[data-ask-error]": "" });
  ask.showModal();
}

async function submit(button) {
  button.dataset.busy = "";
  await attempt(async () => {
    await marks.submit();
    ask.close();
    scrollTo({ top: 0 });
  }, (sentence) => showParts(ask, { "[data-ask-error]": sentence }));
  delete button.dataset.busy;
}

async function open() {
  set({ step: "loading", problem: "" });
  await attempt(async () => {
    await marks.load();
    page.style.setProperty("--ratio", commonRatio(marks.pictures));
    set({ step: "ready" });
  }, (problem) => set({ step: "failed", problem }));
}

page.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  const n = Number(button?.closest("[data-n]")?.dataset.n);
  if (!button) return;
  const { filter, mark } = button.dataset;
  if (filter) {
    set({ filter, members: new Set(), error: { n: 0, text: "" } });
    scrollTo({ top: Math.min(scrollY, page.querySelector("header").offsetHeight) }); // to the first of them
  }
  if (mark) set({ error: { n, text: marks.set(n, { mark: marks.of(n).mark === mark ? null : mark }) } });
  else if (n) large.open(marks.pictures.filter((one) => state.members.has(one.n)), n, { isSaying: "say" in button.dataset });
  else if ("submit" in button.dataset) askToSubmit();
  else if ("retry" in button.dataset) open();
});
ask.addEventListener("click", ({ target }) => {
  if (target.closest("[data-close]")) ask.close();
  if (target.closest("[data-confirm]")) submit(target.closest("button"));
});
// A picture that does not come, without a network or while the server draws others, is asked for again.
const tries = new WeakMap();
document.addEventListener("error", ({ target: image }) => {
  if (!image.matches?.("img")) return;
  const n = (tries.get(image) ?? 0) + 1;
  tries.set(image, n);
  if (n > TRIES) return;
  const { src } = image;
  image.src = BLANK; // what lies behind is seen until then
  setTimeout(() => { image.src = src; }, Math.min(300 * 1.5 ** n, 30_000) * (0.5 + Math.random()));
}, true);
addEventListener("online", () => marks.flush());
document.addEventListener("visibilitychange", () => {
  if (document.hidden || state.step !== "ready") return;
  marks.load().catch(() => {}); // another person may have the same link
});
addEventListener("pagehide", () => {
  large.keepTyped();
  if (marks.saving) sendWhenLeaving("PUT", `${url}/marks`, JSON.stringify(marks.unsent));
});
open();
