// The draft keeps itself in the browser's database: rows soon after each change, and the text of an
// open cell as it is typed. Of several tabs the last to write wins, and the others are told.

import { rowFromDraft } from "../grid/rows.js";

const SOON = 400;
const AGAIN = 3000; // after a failure

/** onElsewhere(): another tab has written the draft. onTrouble(whether it is): saving fails, or works again.
    onLate(rows): the draft could not be read at first, and now it was. */
export function makeDraft(table, { onElsewhere, onTrouble, onLate, extra = () => ({}) }) {
  const channel = new BroadcastChannel("batch-draft");
  const store = makeDraftStore();
  let timer = 0;
  let retry = 0;
  let typing = 0;
  let typed = null; // {row, field, text} of the open cell
  let open = false; // nothing is written before the draft was read
  let failing = false;
  let placed = false; // whether rows copied from elsewhere stand in the table, and need not be kept apart

  channel.addEventListener("message", onElsewhere);

  async function load() {
    try {
      const found = readDraft(...await store.read(["draft", "typing", "copied"]));
      open = true;
      tell(false);
      return found;
    } catch {
      tell(true);
      retry = setTimeout(loadLate, AGAIN);
      return { rows: [], repaired: 0 };
    }
  }

  async function loadLate() {
    if (table.readOnly) return;
    const { rows } = await load();
    if (!open) return;
    if (rows.length > 0) onLate(rows);
    save();
  }

  function save() {
    clearTimeout(timer);
    timer = 0;
    if (!open || table.readOnly) return;
    write({ draft: JSON.stringify({ rows: table.rows.all, savedAt: Date.now(), ...extra() }), typing: typedCell(), ...(placed && { copied: null }) });
  }

  async function write(entries) {
    clearTimeout(retry);
    try {
      await store.write(entries);
      tell(false);
      if ("draft" in entries) channel.postMessage("written");
    } catch {
      tell(true);
      retry = setTimeout(save, AGAIN);
    }
  }

  function tell(trouble) {
    if (failing !== trouble) onTrouble(failing = trouble);
  }

  /** Other rows as the draft, from a page that shows something else. They lie beside its own until those were seen. */
  async function replace(rows) {
    await store.write({ copied: JSON.stringify(rows) });
    channel.postMessage("written");
  }

  /** The other rows stand in the table. */
  function replaced() {
    placed = true;
    save();
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
    if (open && typed && !table.readOnly) write({ typing: typedCell() });
  }

  function typedCell() {
    return typed && { index: table.rows.indexOf(typed.row), field: typed.field, text: typed.text };
  }

  table.rows.watch(({ reset }) => { if (!reset) later(); });
  addEventListener("pagehide", () => { if (timer) save(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && timer) save(); });
  return { load, save, replace, replaced, later, keepTyping };
}

// What save() and replace() wrote -> {rows, repaired: how many cells had to be, copied: rows or none, …extra()}
function readDraft(kept, cell, copied) {
  const draft = parsed(kept);
  const read = draft.rows.map(rowFromDraft);
  const row = read[cell?.index]?.row;
  if (typeof row?.[cell.field] === "string") row[cell.field] = String(cell.text);
  return {
    ...draft,
    rows: read.map((one) => one.row),
    repaired: read.reduce((sum, one) => sum + one.repaired, 0),
    copied: copied && parsed(`{"rows":${copied}}`).rows.map((one) => rowFromDraft(one).row),
  };
}

// Text that is no draft stands in one row.
function parsed(text) {
  try {
    const draft = JSON.parse(text || '{"rows":[]}');
    if (Array.isArray(draft?.rows)) return draft;
  } catch {
    // not what was written
  }
  return { rows: [text] };
}

// The browser's database that holds the draft. It is opened at the first use, and again after a failure.

const STORE = "kept";

/** {read(keys) -> their values, write({key: value}), all or none}; both reject while the browser refuses. */
function makeDraftStore() {
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
    write: (entries) => use("readwrite", (store) => {
      for (const [key, value] of Object.entries(entries)) store.put(value, key);
    }),
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
    const made = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(made);
    transaction.onabort = () => reject(transaction.error);
  });
}
