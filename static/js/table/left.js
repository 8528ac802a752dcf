// What pages left behind that is not on the server yet goes there from the next page.

import { Journal, leftJournals } from "./journal.js";
import { requestJson } from "../core/http.js";
import { randomKey } from "../core/orders.js";

const REFUSED = [400, 404, 409, 413, 422];

/** Whether sending it again changes nothing. */
export function isRefusal({ status }) {
  return REFUSED.includes(status);
}

/**
 * Send it, of one table ("": those that are not made yet) or of all; what the server refuses goes. urls: {tables}. Resolves to the ids of the
 * tables that it made; rejects when the server cannot be reached, and keeps what was not sent.
 */
export async function sendLeft(urls, { table = null } = {}) {
  const made = [];
  for (const { table: id, page } of await leftJournals(table)) {
    const found = await sendJournal(new Journal(id, page), urls.tables);
    if (found && !id) made.push(found);
  }
  return made;
}

/** Whether an earlier version kept a draft in the browser's database; opening that would make it. */
export async function hasOldDraft() {
  return (await indexedDB.databases?.() ?? []).some(({ name }) => name === "batch");
}

async function sendJournal(journal, url) {
  journal.takeTyped();
  if (journal.making) {
    const { table } = await requestJson("POST", url, { request_id: journal.making });
    journal.moveTo(table.id);
  }
  const id = journal.table;
  if (id) await sendOperations(journal, `${url}/${id}`);
  journal.forget();
  return id;
}

async function sendOperations(journal, url) {
  for (let call = journal.take(randomKey()); call; call = journal.take(randomKey())) {
    try {
      const { added } = await requestJson("PATCH", url, { operations: call.operations, request_id: call.key });
      journal.answered(added);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      journal.refused(randomKey());
    }
  }
}
