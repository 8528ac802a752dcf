// The draft is saved in the browser's database: rows soon after each change, and the text of an open cell as it is
// typed. Of several tabs the last to write wins, and the others learn of it.

import { rowFromDraft } from "./row.js";
import { attempt } from "../core/attempt.js";

const SAVE_DELAY = 400; // ms
const TYPING_DELAY = 200;
const RETRY_DELAY = 3000;

/**
 * onOtherTab()       another tab has written the draft
 * onFailing(isFailing)  saving fails, or works again
 * onLateLoad(rows)   the draft could not be read at first, and now it was
 * extra()            what is kept beside the rows
 */
export function makeDraft(table, { onOtherTab, onFailing, onLateLoad, extra }) {
  const channel = new BroadcastChannel("batch-draft");
  const store = makeStore();
  let saveTimer = 0;
  let retryTimer = 0;
  let typingTimer = 0;
  let typed = null; // {row, field, text} of the open cell
  let isLoaded = false; // nothing is written before the draft was read
  let isFailing = false;
  let isCopyShown = false; // whether the rows of replace() stand in the table, and need not be stored separately

  channel.addEventListener("message", onOtherTab);

  /** -> {rows, repaired: how many cells had to be, copied: {rows, prefix, suffix} of replace() or none, …extra()} */
  async function load() {
    const stored = await attempt(() => store.read(["draft", "typing", "copied"]), () => retryWith(loadLate));
    if (!stored) return { rows: [], repaired: 0 };
    isLoaded = true;
    setFailing(false);
    return readDraft(...stored);
  }

  async function loadLate() {
    if (table.readOnly) return;
    const { rows } = await load();
    if (!isLoaded) return;
    if (rows.length > 0) onLateLoad(rows);
    save();
  }

  /** Resolves to whether the draft is stored. */
  async function save() {
    clearTimeout(saveTimer);
    saveTimer = 0;
    if (!isLoaded || table.readOnly) return isLoaded;
    return write({
      draft: JSON.stringify({ rows: table.rows.all, savedAt: Date.now(), ...extra() }),
      typing: typedCell(),
      ...(isCopyShown && { copied: null }),
    });
  }

  async function write(entries) {
    clearTimeout(retryTimer);
    const isStored = await attempt(() => store.write(entries), () => retryWith(save));
    if (!isStored) return false;
    setFailing(false);
    if ("draft" in entries) channel.postMessage("written");
    return true;
  }

  function retryWith(call) {
    setFailing(true);
    retryTimer = setTimeout(call, RETRY_DELAY);
    return null;
  }

  function setFailing(value) {
    if (isFailing !== value) onFailing(isFailing = value);
  }

  /** Other rows as the draft, from a page that shows a batch, with prefix and suffix. They are stored beside the draft until they were seen. */
  async function replace(rows, affixes) {
    await store.write({ copied: JSON.stringify({ rows, ...affixes }) });
    channel.postMessage("written");
  }

  /** The rows of replace() stand in the table. */
  function setCopyShown() {
    isCopyShown = true;
    save();
  }

  function saveSoon() {
    saveTimer ||= setTimeout(save, SAVE_DELAY);
  }

  /** Keep the text of the open cell; null when it is closed again. */
  function setTyped(change) {
    typed = change;
    if (!change) saveSoon();
    else typingTimer ||= setTimeout(saveTyped, TYPING_DELAY);
  }

  function saveTyped() {
    clearTimeout(typingTimer);
    typingTimer = 0;
    if (isLoaded && typed && !table.readOnly) write({ typing: typedCell() });
  }

  function flush() {
    if (saveTimer) save();
    if (typingTimer) saveTyped();
  }

  function typedCell() {
    return typed && { index: table.rows.indexOf(typed.row), field: typed.field, text: typed.text };
  }

  table.rows.watch(({ reset }) => { if (!reset) saveSoon(); });
  addEventListener("beforeunload", flush); // what is written after it may not arrive
  addEventListener("pagehide", flush);
  document.addEventListener("visibilitychange", () => { if (document.hidden) flush(); });
  return { load, save, saveSoon, replace, setCopyShown, setTyped };
}

// What save(), saveTyped() and replace() wrote -> as load() returns it.
function readDraft(stored, cell, copied) {
  const draft = parseDraft(stored);
  const read = draft.rows.map(rowFromDraft);
  const typedRow = read[cell?.index]?.row;
  if (typeof typedRow?.[cell.field] === "string") typedRow[cell.field] = String(cell.text);
  return {
    ...draft,
    rows: read.map(({ row }) => row),
    repaired: read.reduce((sum, { repaired }) => sum + repaired, 0),
    copied: copied && readCopied(copied),
  };
}

function readCopied(text) {
  const { rows, prefix, suffix } = parseDraft(text);
  return { rows: rows.map((row) => rowFromDraft(row).row), prefix, suffix };
}

// Text that is no draft becomes one row.
function parseDraft(text) {
  try {
    const draft = JSON.parse(text || '{"rows":[]}');
    if (Array.isArray(draft?.rows)) return draft;
  } catch {
    // not what was written
  }
  return { rows: [text] };
}

const STORE = "kept";

// The browser's database, opened at the first use, and again after a failure. {read(keys) -> their values,
// write({key: value}), all or none}; both reject while the browser refuses.
function makeStore() {
  let opening = null;

  async function use(mode, work) {
    try {
      opening ??= openDatabase();
      return await inTransaction(await opening, mode, work);
    } catch (error) {
      opening?.then((database) => database.close(), () => {});
      opening = null;
      throw error;
    }
  }

  return {
    async read(keys) {
      const requests = await use("readonly", (store) => keys.map((key) => store.get(key)));
      return requests.map(({ result }) => result);
    },
    write: (entries) => use("readwrite", (store) => Object.entries(entries).map(([key, value]) => store.put(value, key))),
  };
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("batch", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Resolves to what work(store) returned, once the transaction is complete.
function inTransaction(database, mode, work) {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    const result = work(transaction.objectStore(STORE));
    transaction.commit(); // at once: a page that is left ends what waits for its answers
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error);
  });
}
