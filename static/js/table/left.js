// What pages left behind that is not on the server yet goes there from the next page.

import { Journal, leftJournals } from "./journal.js";
import { parseJson, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { digest, randomKey } from "../core/orders.js";

const REFUSED = [400, 404, 409, 413, 422];

/** Whether sending it again changes nothing. */
export function isRefusal({ status }) {
  return REFUSED.includes(status);
}

/** Whether the table itself is not there any more, so that everything is kept. */
export function isGone(url) {
  return requestJson("GET", `${url}?since=1`).then(() => false, ({ status }) => status === 404);
}

/**
 * Send it, of one table ("": those that are not made yet) or of all; what the server refuses goes. urls: {tables}; model: of rows in the draft
 * of an earlier version. Resolves to the ids of the tables that it made; rejects when the server cannot be reached, and keeps what was not sent.
 */
export async function sendLeft(urls, { table = null, model } = {}) {
  async function sendAll() {
    const made = table ? [] : [await sendDraft(urls.tables, model)].filter(Boolean);
    for (const { table: id, page } of await leftJournals(table)) {
      const found = await sendJournal(new Journal(id, page), urls.tables);
      if (found && !id) made.push(found);
    }
    return made;
  }

  return navigator.locks ? navigator.locks.request("table.left", sendAll) : sendAll(); // one page at a time
}

const MADE = "table.made"; // the table that the last page of this tab made

/** This page made a table, which a reload that began before shows; null: it shows a new one. */
export function rememberMade(id) {
  try {
    if (id) sessionStorage.setItem(MADE, id);
    else sessionStorage.removeItem(MADE);
  } catch {
    // it is in the list
  }
}

/** The table that was made while this page was being loaded again, or null. */
export function madeBeforeReload() {
  const isReload = performance.getEntriesByType?.("navigation")[0]?.type === "reload";
  const id = isReload ? globalThis.sessionStorage?.getItem(MADE) : null;
  rememberMade(null);
  return id ?? null;
}

async function sendJournal(journal, url) {
  journal.takeTyped();
  if (journal.making) {
    const make = (body) => requestJson("POST", url, body);
    const { table } = await make(journal.making).catch((error) => {
      if (!isRefusal(error)) throw error;
      return make({ request_id: randomKey() }); // its model may be gone by now
    });
    journal.moveTo(table.id);
  }
  const id = journal.table;
  if (!id || await sendOperations(journal, `${url}/${id}`)) journal.forget();
  return id;
}

// Resolves to false where the table is gone: it may be restored.
async function sendOperations(journal, url) {
  for (let call = journal.take(randomKey()); call; call = journal.take(randomKey())) {
    try {
      const { added } = await requestJson("PATCH", url, { operations: call.operations, request_id: call.key });
      journal.answered(added);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (error.status === 404 && await isGone(url)) return false;
      journal.refused(randomKey());
    }
  }
  return true;
}

// The draft that an earlier version kept in the browser's database becomes a table, once.

const DRAFT = "batch"; // the database
const KEPT = "kept"; // its store
const OWN = "column:"; // before the names of own columns
const TEXTS = [
  "prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps", "model", "reference_strength",
  "background", "output_format", "quality",
];

// Resolves to the id of the table, null where there is no draft; one that the server refuses is kept.
async function sendDraft(url, model) {
  const databases = await globalThis.indexedDB?.databases?.() ?? []; // opening it would make it
  if (!databases.some(({ name }) => name === DRAFT)) return null;
  const database = await answerOf(indexedDB.open(DRAFT, 1));
  const read = (key) => answerOf(database.transaction(KEPT).objectStore(KEPT).get(key));
  const rows = database.objectStoreNames.contains(KEPT) ? readDraft(await read("draft"), await read("typing")) : null;
  database.close();
  const body = { rows, ...(model && { model }) };
  const made = rows && await requestJson("POST", url, { ...body, request_id: `draft-${digest(JSON.stringify(body))}` });
  await answerOf(indexedDB.deleteDatabase(DRAFT));
  return made && made.table.id;
}

/** The draft as JSON, and the text of its open cell -> the rows as the API takes them, each with the prefix and suffix of all; null without a filled row. */
export function readDraft(text, typed) {
  const draft = parseJson(text);
  if (!Array.isArray(draft?.rows)) return null;
  const row = draft.rows[typed?.index];
  if (typeof row?.[typed?.field] === "string") row[typed.field] = String(typed.text);
  const rows = draft.rows.map((one) => contentOf(one !== null && typeof one === "object" ? one : { prompt: one }));
  const { prefix = "", suffix = "" } = draft;
  for (const one of rows) if (one.prompt?.trim()) one.prompt = prefix + one.prompt.trim() + suffix;
  return rows.some((one) => Object.keys(one).length > 0) ? rows : null;
}

function contentOf(row) {
  const images = (Array.isArray(row.sample_images) ? row.sample_images : []).filter((image) => typeof image?.filename === "string");
  const own = Object.entries(row).filter(([name, value]) => name.startsWith(OWN) && value).map(([name, value]) => [name.slice(OWN.length), String(value)]);
  return {
    ...Object.fromEntries(TEXTS.map((field) => [field, toText(row[field])]).filter(([, text]) => text)),
    ...(images.length > 0 && { sample_images: images.map(({ url = "", filename }) => ({ url, filename })) }),
    ...(own.length > 0 && { columns: Object.fromEntries(own) }),
  };
}

function toText(value) {
  if (Array.isArray(value)) return value.map(toText).join(_("；"));
  return value !== null && typeof value === "object" ? value.filename ?? JSON.stringify(value) : String(value ?? "");
}

function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
