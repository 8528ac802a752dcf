// The draft keeps itself in the browser's database: rows soon after each change, and the text of an
// open cell as it is typed. Of several tabs the last to write wins, and the others are told.

import { _ } from "../words.js";

const SOON = 400;

// onElsewhere() is called when another tab has written the draft.
export function makeDraft(table, { onElsewhere, extra = () => ({}) }) {
  const channel = new BroadcastChannel("batch-draft");
  let store = null;
  let timer = 0;
  let typing = 0;
  let typed = null; // {row, field, text} of the open cell
  let open = false; // nothing is written before the draft was read

  channel.addEventListener("message", onElsewhere);

  async function load() {
    try {
      store = await openStore();
    } catch {
      table.say(_("这个浏览器不让网页保存草稿，关闭页面前请先导出表格"));
      return { rows: [] };
    }
    const [kept, cell, copied] = await Promise.all(["draft", "typing", "copied"].map((key) => get(store, key)));
    const draft = kept ? JSON.parse(kept) : { rows: [] };
    const row = cell && draft.rows[cell.index];
    if (row) row[cell.field] = cell.text;
    open = true;
    return { ...draft, copied: copied && JSON.parse(copied) };
  }

  function save() {
    clearTimeout(timer);
    timer = 0;
    if (!open || table.readOnly) return;
    const rows = table.rows.all.map(({ key, ...row }) => row);
    put(store, "draft", JSON.stringify({ rows, savedAt: Date.now(), ...extra() }));
    put(store, "typing", typedCell());
    channel.postMessage("written");
  }

  /** Other rows as the draft, from a page that shows something else. They lie beside its own until those were seen. */
  async function replace(rows) {
    store ??= await openStore();
    await put(store, "copied", JSON.stringify(rows.map(({ key, ...row }) => row)));
    channel.postMessage("written");
  }

  /** The other rows stand in the table. */
  function replaced() {
    save();
    put(store, "copied", null);
  }

  function later() {
    if (!timer) timer = setTimeout(save, SOON);
  }

  // The text of the open cell; null when it is closed again.
  function keepTyping(change) {
    typed = change;
    if (!change) later();
    else typing ||= setTimeout(keepCell, SOON / 2);
  }

  function keepCell() {
    typing = 0;
    if (open && typed && !table.readOnly) put(store, "typing", typedCell());
  }

  function typedCell() {
    return typed && { index: table.rows.indexOf(typed.row), field: typed.field, text: typed.text };
  }

  table.rows.watch(({ reset }) => { if (!reset) later(); });
  addEventListener("pagehide", () => { if (timer) save(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && timer) save(); });
  return { load, save, replace, replaced, later, keepTyping };
}

function openStore() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("batch", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("kept");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function get(store, key) {
  return new Promise((resolve, reject) => {
    const request = store.transaction("kept").objectStore("kept").get(key);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function put(store, key, value) {
  return new Promise((resolve, reject) => {
    const writing = store.transaction("kept", "readwrite");
    writing.objectStore("kept").put(value, key);
    writing.oncomplete = () => resolve();
    writing.onerror = () => reject(writing.error);
  });
}
