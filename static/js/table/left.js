// What pages left behind that is not on the server yet goes there from the next page.

import { leftJournals } from "./journal.js";
import { requestJson } from "../core/http.js";

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
  const isLeft = (!table && await hasDraft()) || (await leftJournals(table)).length > 0;
  if (!isLeft) return [];
  const { sendAll } = await import("./left_sending.js");
  const send = () => sendAll(urls.tables, { table, model });
  return navigator.locks ? navigator.locks.request("table.left", send) : send(); // one page at a time
}

/** Whether an earlier version kept rows in the browser's database, which opening would make. */
export async function hasDraft() {
  const databases = await globalThis.indexedDB?.databases?.() ?? [];
  return databases.some(({ name }) => name === "batch");
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
