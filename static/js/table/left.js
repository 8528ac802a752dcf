// What pages left behind that is not on the server yet goes there from the next page.

import { Journal, leftJournals } from "./journal.js";
import { requestJson } from "../core/http.js";
import { randomKey } from "../core/orders.js";

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
    const made = table ? [] : await sendDraft(urls.tables, model);
    for (const { table: id, page } of await leftJournals(table)) {
      const found = await sendJournal(new Journal(id, page), urls.tables);
      if (found && !id) made.push(found);
    }
    return made;
  }

  return navigator.locks ? navigator.locks.request("table.left", sendAll) : sendAll(); // one page at a time
}

// The ids of the tables made of what an earlier version kept in the browser's database, which opening would make; what is refused is kept.
async function sendDraft(url, model) {
  const databases = await globalThis.indexedDB?.databases?.() ?? [];
  if (!databases.some(({ name }) => name === "batch")) return [];
  const { makeTable } = await import("./draft.js");
  const id = await makeTable(url, model).catch((error) => {
    if (!isRefusal(error)) throw error;
    return null;
  });
  return id ? [id] : [];
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
