// From here to the server: what is changed in the open table is sent soon, in order, and again until it is there.

import { operationsOf } from "./journal.js";
import { isGone, isRefusal } from "./left.js";
import { ownNames } from "./own_columns.js";
import { contentOf, fieldOf, valuesOf } from "./row.js";
import { HttpError, messageOf, requestJson, sendWhenLeaving } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { randomKey } from "../core/orders.js";

const PAUSE = 300; // ms from a change until it is sent
const RETRIES = [1000, 2000, 4000, 8000, 15_000]; // ms between attempts
const MAX_SENT_ON_LEAVING = 60_000; // bytes, as browsers have it

export class Sending {
  #journal;
  #rows;
  #url;
  #newTable;
  #host;
  #timer = 0;
  #failures = 0;
  #error = "";
  #pending = null; // a promise
  #epoch = 0; // counts calls that change the table

  /**
   * journal, rows: see journal.js and store_rows.js; url: of the tables; newTable: what one is made with. host: {id(), columns(), onMade(table), onColumns(table),
   * onAnswer(answer), onSaving, onForeign, onRefused}; see store.js.
   */
  constructor({ journal, rows, url, newTable, host }) {
    this.#journal = journal;
    this.#rows = rows;
    this.#url = url;
    this.#newTable = newTable;
    this.#host = host;
    addEventListener("pagehide", () => this.#leave());
    document.addEventListener("visibilitychange", () => { if (document.hidden && this.#timer) this.send().catch(() => {}); });
  }

  get #tableUrl() { return `${this.#url}/${this.#host.id()}`; }

  /** Another value than when a call began: its answer may be older than what is here; null while something is on its way. */
  get moment() { return this.#pending ? null : this.#epoch; }

  /** Resolves when nothing is on its way. */
  async settled() { await this.#pending?.catch(() => {}); }

  /** A step of the grid; `list` are all rows after it. */
  take(operations, list) {
    const isKnown = (row) => Boolean(row.id ?? row.key);
    this.#journal.add(operationsOf(operations, list, { nameOf: (row) => this.#rows.nameOf(row), isKnown, contentOf, valuesOf }));
    this.wantTable();
    this.#tell();
    this.#sendSoon();
  }

  /** The table is made, where it is not yet, with the next call. */
  wantTable() {
    if (!this.#host.id() && !this.#journal.making) this.#journal.setMaking({ ...this.#newTable, request_id: randomKey() });
  }

  /** Resolves when all changes are on the server, rejects when they cannot be sent now. */
  async save() {
    if (!this.#journal.isEmpty || this.#journal.making) await this.send();
    if (!this.#journal.isEmpty) await this.save();
  }

  send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#pending ??= this.#sendAll().finally(() => { this.#pending = null; });
    return this.#pending;
  }

  #sendSoon(pause = PAUSE) {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.send().catch(() => {}); // which is told
    }, pause);
  }

  #tell() {
    const { size, isKept } = this.#journal;
    this.#host.onSaving({ count: size, error: this.#error, isKept });
  }

  async #sendAll() {
    const journal = this.#journal;
    try {
      if (!this.#host.id() && journal.making) await this.#make();
      await this.#addColumns();
      for (let call = journal.take(randomKey()); call; call = journal.take(randomKey())) await this.#sendOnce(call);
      this.#failures = 0;
      this.#error = "";
    } catch (error) {
      if (!(error instanceof HttpError)) reportError(error);
      this.#error = messageOf(error);
      this.#sendSoon(RETRIES[Math.min(this.#failures++, RETRIES.length - 1)]);
      throw error;
    } finally {
      this.#tell();
    }
  }

  async #make() {
    const { table } = await requestJson("POST", this.#url, this.#journal.making);
    this.#journal.moveTo(table.id);
    this.#host.onMade(table);
  }

  // The table has the own columns of its rows before these are sent.
  async #addColumns() {
    const columns = this.#host.columns();
    const missing = ownNames().filter((name) => !columns.includes(name));
    if (!this.#host.id() || missing.length === 0) return;
    this.#host.onColumns((await requestJson("PUT", this.#tableUrl, { columns: [...columns, ...missing] })).table);
  }

  async #sendOnce({ key, operations }) {
    const journal = this.#journal;
    const sent = journal.sending.operations;
    this.#epoch += 1;
    try {
      const answer = await requestJson("PATCH", this.#tableUrl, { operations, request_id: key });
      for (const [name, rowId] of journal.answered(answer.added)) this.#rows.identify(name, rowId);
      this.#rows.remember(sent);
      this.#host.onAnswer(answer);
    } catch (error) {
      if (!isRefusal(error) || (error.status === 404 && await isGone(this.#tableUrl))) throw error;
      const refused = journal.refused(randomKey());
      if (refused) this.#tellRefused(refused, error);
    } finally {
      this.#epoch += 1;
    }
  }

  #tellRefused({ op, row: name, values, keys = [], rows: named = [] }, error) {
    const row = this.#rows.find(op === "set" ? name : keys[0] ?? named[0]);
    if (!row) return;
    if (error.status === 404) return void this.#host.onForeign(_("第 {number} 行在别处删掉了，这一行的修改没有存上", { number: row.number }));
    const field = fieldOf(values ? Object.keys(values)[0] : error.field || "prompt");
    this.#host.onRefused(row, field, _("没有存上：{error}", { error: error.message }));
  }

  // A page that is left says so, and sends what waits in one call that outlives it.
  #leave() {
    this.#journal.setLeft(true);
    const call = this.#host.id() && this.#journal.take(randomKey());
    const body = call && JSON.stringify({ operations: call.operations, request_id: call.key });
    if (body && body.length < MAX_SENT_ON_LEAVING) sendWhenLeaving("PATCH", this.#tableUrl, body);
  }
}
