// Send the server what pages left behind: the operations of their journals, and the draft of an earlier version.

import { makeTable } from "./draft.js";
import { Journal, leftJournals } from "./journal.js";
import { hasDraft, isGone, isRefusal } from "./left.js";
import { requestJson } from "../core/http.js";
import { randomKey } from "../core/orders.js";

/** See sendLeft of left.js; url: of all tables. */
export async function sendAll(url, { table, model }) {
  const made = table || !await hasDraft() ? [] : await sendDraft(url, model);
  for (const { table: id, page } of await leftJournals(table)) {
    const found = await sendJournal(new Journal(id, page), url);
    if (found && !id) made.push(found);
  }
  return made;
}

// The id of the table made of the draft, if any; a draft that is refused is kept.
async function sendDraft(url, model) {
  const id = await makeTable(url, model).catch((error) => {
    if (!isRefusal(error)) throw error;
    return null;
  });
  return id ? [id] : [];
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
