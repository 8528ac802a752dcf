// What became of the draft's rows: 生成 of one row (a batch of that row alone), and every batch that one was ordered
// with, followed in its 状态.

import { confirmMoney } from "../messages.js";
import { order } from "../orders.js";
import { followMany } from "./follow_many.js";
import { agreedToRetry, picturesOf, priceOf } from "./money.js";
import { goToCell } from "./problems.js";
import { stateOfRecords } from "./records.js";
import { askedOf, postRows } from "./posting.js";
import { _ } from "../words.js";
import { yuan } from "../yuan.js";

/** Returns {run(row), stateOf(row), recordsOf(row), resume(), listMade()}; row.run keeps the batch's id, also in the draft. */
export function useSingleRows(table, { card, url, onChange }) {
  const followed = followMany(url, table.view.later);
  const posting = new Set(); // rows on their way

  async function run(row) {
    if (posting.has(row)) return undefined;
    const problems = table.checks.of(row);
    const [field] = Object.keys(problems);
    if (field || !row.prompt) {
      goToCell(table, row, field ?? "prompt");
      return field || table.onComplaint?.(_("先写提示词"));
    }
    if (row.run && stateOf(row)?.action === _("重试")) return retry(row);
    if (!await agreed(row)) return undefined;
    posting.add(row);
    table.view.later();
    try {
      await postRows(url, table, [row], { about: `row ${table.rows.indexOf(row)}` });
      onChange();
      followed.add(row.run);
      document.dispatchEvent(new Event("look-now"));
    } catch (failure) {
      table.onComplaint?.(failure.message);
    } finally {
      posting.delete(row);
      table.view.later();
    }
    return undefined;
  }

  function agreed(row) {
    const price = priceOf(row, card);
    if (price === 0) return true;
    const count = picturesOf(row);
    return confirmMoney({ title: _("只生成这一行"), text: _("{count} 张，预计 {sum}。", { count, sum: yuan(price) }), yes: _("生成 {n} 张", { n: count }) });
  }

  async function retry(row) {
    const records = recordsOf(row).filter(({ status }) => ["failed", "unknown", "cancelled"].includes(status));
    if (!await agreedToRetry(records)) return;
    try {
      await order(`${url}/${row.run}/retry`, { records: records.map(({ id }) => id) });
      followed.add(row.run);
    } catch (failure) {
      table.onComplaint?.(failure.message);
    }
  }

  function stateOf(row) {
    const records = recordsOf(row);
    if (posting.has(row) || (row.run && !followed.of(row.run))) return { word: "…", status: "queued", tone: "", pictures: [], action: "" };
    if (records.length === 0) return null;
    const state = stateOfRecords(records);
    return { ...state, action: state.status === "success" ? _("再生成") : state.action };
  }

  function recordsOf(row) {
    const book = row.run && followed.of(row.run);
    if (book && row.asked === null) return book.all(); // a draft of an earlier version: a batch of that row alone
    return book ? book.of(row) : [];
  }

  /** The rows that ask for what was made already, is under way, or was charged; what is not known yet is waited for. */
  async function listMade() {
    await followed.whenKnown();
    return table.rows.all.filter((row) => table.checks.isFilled(row) && isMade(row));
  }

  function isMade(row) {
    if (posting.has(row)) return true;
    const asked = askedOf(row, table.columns);
    if (!row.run || (row.asked ?? asked) !== asked) return false;
    return !followed.of(row.run) || recordsOf(row).some(({ status, charged }) => charged || !["failed", "cancelled"].includes(status));
  }

  const isRunning = () => table.rows.all.some((row) => recordsOf(row).some(({ status }) => status === "running"));
  setInterval(() => { if (!document.hidden && !table.readOnly && isRunning()) table.view.later(); }, 1000);
  return {
    run, stateOf, recordsOf, listMade,
    resume() { for (const row of table.rows.all) if (row.run) followed.add(row.run); },
  };
}
