// The large view of 生成记录: over the borders of pages, with everything that can be done to a record.

import { requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { hostLightbox } from "../ui/lightbox.js";

const comparison = lazy(() => import("./compare.js"));
const MOST_PAGES = 10; // without a picture, until we say that there are no more

/** Returns {open(link), compare(left, right)}; run(name, chosen, about) is what pages/records.js does. */
export function makeViewer(page, finder, selection, run) {
  const list = () => finder.list();
  const number = (name) => Number(list().dataset[name]);
  const records = () => [...list().querySelectorAll("[data-records] [data-record-id]")];
  const links = () => [...list().querySelectorAll("[data-records] [data-image-url]")];
  const linkOf = (id) => list().querySelector(`[data-record-id="${id}"] [data-image-url]`);
  const canRefer = JSON.parse(page.dataset.modelSpec).max_references > 0;
  let timer = 0;

  const host = { offers, deed, place, has, beyond, shown, state };
  const box = hostLightbox(finder.found, host);
  const follow = syncHistory(() => box, () => Boolean(list().querySelector("[data-permalink]")));

  function offers(record) {
    if ("trash" in list().dataset || record.querySelector('[data-command="restore"]')) return ["restore", "select", "link"];
    const usual = ["favourite", "select", "delete", "again", "edit", "pick", "reject", "link"];
    return [...usual, ...(canRefer ? ["reference"] : []), ...(links().length > 1 ? ["compare"] : [])];
  }

  function state({ dataset }) {
    const marks = [["favourite", "favourite" in dataset], ["select", selection.has(Number(dataset.recordId))]];
    return new Set(marks.filter(([, is]) => is).map(([name]) => name));
  }

  async function deed(name, record) {
    const id = Number(record.dataset.recordId);
    if (name === "select") return selection.toggle(id);
    if (name === "compare") return compareFrom(record);
    if (["delete", "reject", "restore"].includes(name)) return takeAway(name, record, id);
    await run(name, { ids: [id] }, { record });
    return name === "pick" ? box.go(1) : undefined;
  }

  /** The record leaves the list; the one that takes its place is shown. */
  async function takeAway(name, record, id) {
    if (record.dataset.busy) return; // pressed twice
    const at = links().findIndex((link) => record.contains(link));
    record.dataset.busy = "yes";
    await run(name, { ids: [id] }, { record }).finally(() => delete record.dataset.busy);
    if (box.isOpen()) showAt(at);
  }

  /** The picture of this place, from the end when there are fewer now. */
  function showAt(at) {
    const link = at < 0 ? null : (links()[at] ?? links().at(-1));
    if (link) box.present(link);
    else box.close();
  }

  function place(record) {
    const at = records().indexOf(record);
    if (at < 0) return _("记录 {id}", { id: record.dataset.recordId });
    return `${(number("offset") + at + 1).toLocaleString(language)} / ${number("total").toLocaleString(language)}`;
  }

  function has(step, record) {
    if (record.matches("[data-permalink]")) return Math.abs(step) === 1;
    return step < 0 ? number("page") > 1 : number("page") < number("pages");
  }

  async function beyond(step, record) {
    if (record.matches("[data-permalink]")) return beside(step, record.dataset.recordId);
    for (let turned = 0; turned < MOST_PAGES && has(step, record); turned += 1) {
      const target = { 1: number("page") + 1, [-1]: number("page") - 1, Infinity: number("pages") }[step] ?? 1;
      if (!(await finder.go(urlWith({ page: target, record: "" }), { history: "replace" }))) return finder.failIfUnanswered();
      const found = step < 0 && step !== -Infinity ? links().at(-1) : step === Infinity ? links().at(-1) : links()[0];
      if (found) return found;
    }
    return null;
  }

  /** From a record that the list does not have to its neighbour in the order of what is looked for. */
  async function beside(step, from) {
    let id = from;
    for (let tried = 0; tried < MOST_PAGES * 2; tried += 1) {
      const near = await neighbours(id);
      const record = step > 0 ? near.next : near.previous;
      if (!record) return null;
      id = record.id;
      if (record.status !== "success" || !record.url) continue;
      if (!(await finder.go(urlWith({ record: id }), { history: "replace" }))) return finder.failIfUnanswered();
      return linkOf(id) ?? finder.found.querySelector("[data-permalink] [data-image-url]");
    }
    return null;
  }

  function neighbours(id) {
    const query = new URLSearchParams(JSON.parse(list().dataset.filter));
    return requestJson("GET", `${page.dataset.listUrl}/${id}/neighbours?${query}`);
  }

  /** At a border the neighbour is fetched early. */
  function shown(record) {
    clearTimeout(timer);
    if (record) timer = setTimeout(() => fetchBeyond(record), 250);
    follow(record);
  }

  async function fetchBeyond(record) {
    const at = links().findIndex((link) => record.contains(link));
    if (at > 0 && at < links().length - 1) return;
    const near = await neighbours(record.dataset.recordId).catch(() => ({}));
    for (const { url: path } of [near.next, near.previous].filter(Boolean)) if (path) new Image().src = path;
  }

  function compareFrom(record) {
    const all = links().map((link) => link.closest("[data-record-id]"));
    const at = all.indexOf(record);
    const other = all[at + 1] ?? all[at - 1] ?? all[0];
    const { recordId: id, favourite } = record.dataset;
    return compare(record, other, () => {
      if (record.isConnected && record.dataset.favourite === favourite) return; // as it was
      if (linkOf(id)) box.present(linkOf(id));
      else showAt(at);
    });
  }

  async function compare(left, right, closed = () => null) {
    const { openCompare } = await comparison();
    openCompare(left, right, { records: () => links().map((link) => link.closest("[data-record-id]")), run, closed });
  }

  page.addEventListener("records-restored", ({ detail: [id] }) => {
    if (box.isOpen() && linkOf(id)) box.present(linkOf(id));
  });
  page.addEventListener("results-loaded", () => {
    const id = new URLSearchParams(location.search).get("record");
    if (box.isOpen() && id && linkOf(id)) box.present(linkOf(id));
  });

  return { open: box.open, compare };
}

// The address names the picture that is shown large, so that it can be passed on; going back closes it.

const PAUSE = 250;

/** This address with other values; "" takes one out. */
export function urlWith(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

/** Returns follow(record), null when it was closed. box() is the lightbox, isDeep() whether the list lacks it. */
function syncHistory(box, isDeep) {
  let before = ""; // where going back leads to from the picture that was opened
  let leaving = false;
  let waiting = null;
  let timer = 0;

  const isNamed = () => new URLSearchParams(location.search).has("record");

  function follow(record) {
    clearTimeout(timer);
    if (!record) return close();
    const { recordId } = record.dataset;
    if (box().isOpen() || (isNamed() && !leaving)) timer = setTimeout(() => name(recordId), PAUSE);
    else if (leaving) waiting = recordId;
    else open(recordId);
    return undefined;
  }

  function open(id) {
    before = location.href;
    history.pushState(null, "", urlWith({ record: id }));
  }

  function name(id) {
    history.replaceState(null, "", urlWith({ record: id }));
  }

  function close() {
    const after = urlWith({ record: "" });
    if (!isNamed() || isDeep()) return;
    leaving = after.href === before;
    if (leaving) history.back();
    else history.replaceState(null, "", after);
  }

  window.addEventListener("popstate", () => {
    before = "";
    if (leaving && waiting) open(waiting);
    else if (box().isOpen()) box().close();
    leaving = false;
    waiting = null;
  });

  return follow;
}
