// The open table: its rows live on the server. What is changed here goes there by itself, and what changes there comes here.

import { Journal, holdPage, operationsOf } from "./journal.js";
import { isGone, isRefusal, madeBeforeReload, rememberMade, sendLeft } from "./left.js";
import { ownNames } from "./own_columns.js";
import { cellOf, contentOf, fieldOf, flat, makeRow, valueOf, valuesOf } from "./row.js";
import { HttpError, fetchJsonIfChanged, messageOf, requestJson, sendWhenLeaving } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { randomKey } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { validateAgain } from "../grid/grid.js";

const PAUSE = 300; // ms from a change until it is sent
const RETRIES = [1000, 2000, 4000, 8000, 15_000]; // ms between attempts
const BUSY = 1000; // ms between polls while pictures are under way
const IDLE = 2000;
const REMEMBERED = 60_000; // ms for which somebody is told that a value they wrote was replaced
const MAX_SENT_ON_LEAVING = 60_000; // bytes, as browsers have it
const UNDER_WAY = ["queued", "running"];

export class Store {
  #grid;
  #urls;
  #tellers; // {newTable, onSaving, onForeign, onRefused, onMade, onTable}
  #page = randomKey();
  #journal;
  #state = { id: "", name: "", model: "", columns: [], workbook: null, version: 0, totals: null, runId: null, error: "", isLoaded: false };
  #byId = new Map(); // id on the server -> row
  #byKey = new Map(); // key of a new row -> row
  #places = new Map(); // row -> its place
  #said = new WeakMap(); // row -> what the server says of it
  #onServer = new WeakMap(); // row -> its values there, as far as they are known
  #written = new Map(); // "row/name" -> when its value went from here to the server
  #incoming = new Map(); // id -> row from elsewhere whose place is not known yet
  #listeners = [];
  #timer = 0;
  #failures = 0;
  #sending = null; // a promise
  #epoch = 0; // counts calls that change the table
  #poller;

  /**
   * grid: see grid/grid.js; id: of the table, "" for one that is not made yet; urls: {tables, tablePage(id)}; newTable: what it is made with.
   * onSaving({count: changes that are not on the server yet, error: why not, or "", isKept: whether the browser keeps them}), onForeign(text)
   * and onRefused(row, field, text) tell; onMade(id) after it was made; onTable(table) after its name, columns, totals … changed.
   */
  constructor(grid, { id, urls, ...tellers }) {
    this.#grid = grid;
    this.#urls = urls;
    this.#tellers = tellers;
    this.#state.id = id;
    this.#journal = new Journal(id, this.#page);
    this.#poller = poll((memory) => this.#load(memory), {
      interval: (hasFailed) => (!hasFailed && grid.rows.all.some(this.isBusy) ? BUSY : IDLE),
      onError: (error) => this.#showLoadError(error),
    });
    this.#bind();
  }

  #bind() {
    holdPage(this.#page);
    this.#grid.rows.watch((change) => this.#takeStep(change));
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
    document.addEventListener("visibilitychange", () => { if (document.hidden && this.#timer) this.#send().catch(() => {}); });
    for (const name of ["poll-now", "records-resolved", "records-restored", "records-deleted"]) document.addEventListener(name, this.refresh);
  }

  get id() { return this.#state.id; }
  get name() { return this.#state.name; }
  get model() { return this.#state.model; }
  get recipe() { return this.#state.recipe ?? null; }
  get version() { return this.#state.version; }
  get totals() { return this.#state.totals; }
  get runId() { return this.#state.runId; }
  get isLoaded() { return this.#state.isLoaded; }

  /** The row of the grid with an id of the server, or null. */
  rowOf(rowId) { return this.#byId.get(rowId) ?? null; }

  /** What the server says of a row: {state, same_as, pictures, problems, sent, missing, price, trashed, is_gone, product, role}. */
  shownOf = (row) => this.#said.get(row) ?? shownPart({ state: this.#grid.validation.isFilled(row) ? "to_make" : "empty" });

  /** Whether pictures of a row are under way: its words are kept. */
  isBusy = (row) => UNDER_WAY.includes(this.#said.get(row)?.state);

  /** Whether a row has changes that the server does not have yet. */
  isStale = (row) => Object.keys(this.#journal.valuesOf(row.id ?? row.key)).length > 0;

  /** listener({rows: Set of those that changed, isWhole}) after each change, by the server or by a person. */
  watch(listener) { this.#listeners.push(listener); }

  /** Ask for what changed now; at first the whole table. */
  refresh = () => this.#poller.now();

  /** Resolves when all changes are on the server, rejects when they cannot be sent now. */
  async save() {
    this.#grid.editor.commit();
    if (!this.#journal.isEmpty || this.#journal.making) await this.#send();
    if (!this.#journal.isEmpty) await this.save();
  }

  /** Makes the table when it is not yet one, and saves it; resolves to its id. */
  async ensureSaved() {
    if (!this.id && !this.#journal.making) this.#journal.setMaking({ ...this.#tellers.newTable, request_id: randomKey() });
    await this.save();
    return this.id;
  }

  /** Change name, model or columns. */
  async put(changes) {
    await this.ensureSaved();
    const { table } = await requestJson("PUT", this.#url, changes);
    this.#takeTable(table);
    this.#tellers.onTable(this.#state);
    await this.refresh();
  }

  /** Undo what the call did that answered with this version. */
  async undoOnServer(version) {
    await this.save();
    this.#take(await requestJson("POST", `${this.#url}/undo`, { version }));
  }

  /** Keep the text of the open cell: {row, field, text}, null when it is closed. */
  setTyped(change) {
    if (change && this.#grid.rows.indexOf(change.row) < 0) return;
    const column = change && this.#grid.allColumns.find(({ field }) => field === change.field);
    this.#journal.setTyped(change && { op: "set", row: this.#nameOf(change.row), values: valueOf(change.field, column.read(change.text)) });
  }

  // From here to the server.

  get #url() { return `${this.#urls.tables}/${this.id}`; }

  #nameOf(row) {
    return row.id ?? (row.key ??= this.#newKey(row));
  }

  #newKey(row) {
    const key = `${this.#page}:${this.#byKey.size + 1}`;
    this.#byKey.set(key, row);
    return key;
  }

  #takeStep({ operations, reset }) {
    if (reset || operations.length === 0) return;
    const nameOf = (row) => this.#nameOf(row);
    this.#journal.add(operationsOf(operations, this.#grid.rows.all, { nameOf, isKnown: (row) => Boolean(row.id ?? row.key), contentOf, valuesOf }));
    if (!this.id && !this.#journal.making) this.#journal.setMaking({ ...this.#tellers.newTable, request_id: randomKey() });
    this.#tellSaving();
    this.#tell(new Set(operations.map(({ row }) => row).filter(Boolean)));
    this.#sendSoon();
  }

  #tellSaving() {
    const { size, isKept } = this.#journal;
    this.#tellers.onSaving({ count: size, error: this.#state.error, isKept });
  }

  #tell(rows, isWhole = false) {
    for (const listener of this.#listeners) listener({ rows, isWhole });
  }

  #sendSoon(pause = PAUSE) {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#send().catch(() => {}); // which is told
    }, pause);
  }

  #send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#sending ??= this.#sendAll().finally(() => { this.#sending = null; });
    return this.#sending;
  }

  async #sendAll() {
    const journal = this.#journal;
    try {
      if (!this.id && journal.making) await this.#make();
      await this.#addColumns();
      for (let call = journal.take(randomKey()); call; call = journal.take(randomKey())) await this.#sendOnce(call);
      this.#failures = 0;
      this.#state.error = "";
    } catch (error) {
      if (!(error instanceof HttpError)) reportError(error);
      this.#state.error = messageOf(error);
      this.#sendSoon(RETRIES[Math.min(this.#failures++, RETRIES.length - 1)]);
      throw error;
    } finally {
      this.#tellSaving();
    }
  }

  async #make() {
    const { table } = await requestJson("POST", this.#urls.tables, this.#journal.making);
    this.#state.id = table.id;
    this.#journal.moveTo(table.id);
    this.#takeTable(table);
    this.#tellers.onTable(this.#state);
    rememberMade(table.id);
    this.#tellers.onMade(table.id);
  }

  // The table has the own columns of its rows before these are sent.
  async #addColumns() {
    const { columns } = this.#state;
    const missing = ownNames().filter((name) => !columns.includes(name));
    if (!this.id || missing.length === 0) return;
    this.#takeTable((await requestJson("PUT", this.#url, { columns: [...columns, ...missing] })).table);
  }

  async #sendOnce({ key, operations }) {
    const journal = this.#journal;
    const sent = journal.sending.operations;
    this.#epoch += 1;
    try {
      const answer = await requestJson("PATCH", this.#url, { operations, request_id: key });
      for (const [name, rowId] of journal.answered(answer.added)) this.#identify(name, rowId);
      this.#remember(sent);
      this.#take(answer);
      if (answer.version === this.version + 1) this.#state.version = answer.version; // nobody changed anything between
    } catch (error) {
      if (!isRefusal(error) || (error.status === 404 && await isGone(this.#url))) throw error;
      const refused = journal.refused(randomKey());
      if (refused) this.#tellRefused(refused, error);
    } finally {
      this.#epoch += 1;
    }
  }

  #identify(name, rowId) {
    const row = this.#byKey.get(name);
    if (!row) return; // of a page before this one
    this.#byId.set(rowId, row);
    row.id = rowId;
  }

  #remember(operations) {
    for (const { op, row: rowId, values, keys = [], rows: added } of operations) {
      keys.forEach((key, index) => this.#byKey.has(key) && this.#onServer.set(this.#byKey.get(key), flat(added[index])));
      const row = this.#byId.get(rowId);
      if (op !== "set" || !row) continue;
      this.#onServer.set(row, { ...this.#onServer.get(row), ...values });
      for (const name of Object.keys(values)) this.#written.set(`${rowId}/${name}`, Date.now());
    }
  }

  #tellRefused({ op, row: name, values, keys = [], rows: named = [] }, error) {
    const of = op === "set" ? name : keys[0] ?? named[0];
    const row = this.#byId.get(of) ?? this.#byKey.get(of);
    if (!row) return;
    if (error.status === 404) return void this.#tellers.onForeign(_("第 {number} 行在别处删掉了，这一行的修改没有存上", { number: row.number }));
    const field = fieldOf(values ? Object.keys(values)[0] : error.field || "prompt");
    this.#tellers.onRefused(row, field, _("没有存上：{error}", { error: error.message }));
  }

  // A page that is left says so, and sends what waits in one call that outlives it.
  #leave() {
    this.#journal.setLeft(true);
    const call = this.id && this.#journal.take(randomKey());
    const body = call && JSON.stringify({ operations: call.operations, request_id: call.key });
    if (body && body.length < MAX_SENT_ON_LEAVING) sendWhenLeaving("PATCH", this.#url, body);
  }

  // From the server to here.

  async #load(memory) {
    if (!this.isLoaded) return void await (this.id ? this.#open() : this.#openNew());
    if (!this.id) return;
    if (this.#sending) await this.#sending.catch(() => {});
    const before = this.#epoch;
    const answer = await fetchJsonIfChanged(`${this.#url}?since=${this.version}&words=changed`, memory);
    if (!answer) return;
    if (this.#sending || before !== this.#epoch) return void this.#poller.later(); // it may be older than what was answered since
    this.#takeTable(answer.table);
    this.#state.version = answer.table.version;
    this.#take(answer);
  }

  // What pages left behind goes first, so that the rows arrive with it.
  async #open() {
    await sendLeft(this.#urls, { table: this.id });
    const answer = await requestJson("GET", this.#url);
    const { rows } = this.#grid;
    this.#state.isLoaded = true;
    this.#tellers.onForeign("");
    this.#takeTable(answer.table);
    this.#state.version = answer.table.version;
    this.#tellers.onTable(this.#state);
    rows.reset(answer.rows.map((data) => this.#known(data)));
    this.#tell(new Set(rows.all), true);
  }

  // What was typed into a new table that was left too soon, by a reload for one, is shown.
  async #openNew() {
    const before = madeBeforeReload();
    const [made = before] = await sendLeft(this.#urls, { table: "" });
    this.#state.isLoaded = true;
    if (made && this.#journal.isEmpty) location.replace(this.#urls.tablePage(made));
  }

  #showLoadError(error) {
    if (!(error instanceof HttpError)) reportError(error);
    if (error.status === 409) location.reload(); // another database
    if (error.status === 404) this.#tellers.onForeign(_("这个表格在别处删掉了，这里的修改存不上"));
    else if (!this.isLoaded && error.status !== 0) this.#tellers.onForeign(messageOf(error)); // without a connection: the top bar says it
  }

  #takeTable({ version: _version, totals, run, ...table }) {
    Object.assign(this.#state, table, totals && { totals }, run !== undefined && { runId: run });
  }

  // What the server says: of rows that are there, of new ones, and of those that are gone.
  #take({ rows: answered, removed = [], totals }) {
    const changed = new Set();
    const valued = new Set();
    for (const data of answered) {
      const row = this.#byId.get(data.id);
      if (!row || this.#isGoneHere(row)) this.#incoming.set(data.id, data);
      else {
        changed.add(row);
        if (this.#takeRow(row, data)) valued.add(row);
      }
    }
    for (const rowId of removed) this.#incoming.delete(rowId);
    if (totals) this.#state.totals = totals;
    this.#settle(removed, changed, valued);
    if (changed.size > 0) validateAgain(this.#grid, changed);
    this.#tell(changed);
    this.#tellers.onTable(this.#state);
  }

  // Whether the server said that a row is gone, so that one of this id comes back.
  #isGoneHere(row) { return !this.#places.has(row) && this.#grid.rows.indexOf(row) < 0; }

  // Returns whether a cell has another value now. One that was changed here since keeps its own.
  #takeRow(row, data) {
    if (data.unchanged) {
      const { problems, sent, is_gone, product, role } = this.shownOf(row);
      this.#said.set(row, shownPart({ ...data, problems, sent, is_gone, product, role }));
      return false;
    }
    const [own, before, now] = [this.#journal.valuesOf(this.#nameOf(row)), this.#onServer.get(row) ?? {}, flat(data)];
    let isChanged = row.number !== data.number;
    this.#know(row, data);
    for (const name of Object.keys({ ...before, ...now })) {
      if (name in own || isSame(before[name], now[name])) continue;
      const field = fieldOf(name);
      if (isSame(valueOf(field, row[field])[name], now[name])) continue;
      this.#tellReplaced(row, name, field);
      row[field] = cellOf(field, now[name]);
      isChanged = true;
    }
    row.number = data.number;
    return isChanged;
  }

  #know(row, data) {
    this.#byId.set(data.id, row);
    this.#said.set(row, shownPart(data));
    this.#places.set(row, data.place);
    this.#onServer.set(row, flat(data));
  }

  #known(data) {
    const row = makeRow(data);
    this.#know(row, data);
    return row;
  }

  #tellReplaced(row, name, field) {
    const at = this.#written.get(`${row.id}/${name}`);
    if (!at || Date.now() - at > REMEMBERED) return;
    this.#written.delete(`${row.id}/${name}`);
    const label = this.#grid.allColumns.find((column) => column.field === field)?.label ?? name;
    this.#tellers.onForeign(_("第 {number} 行的「{label}」刚在别处改过，现在是那边写的", { number: row.number, label }));
  }

  // Rows that are new or moved elsewhere find their places once nothing from here is on its way.
  #settle(removed, changed, valued) {
    const { rows } = this.#grid;
    const gone = new Set(removed.map((rowId) => this.#byId.get(rowId)).filter((row) => row && this.#places.delete(row)));
    let list = gone.size > 0 ? rows.all.filter((row) => !gone.has(row)) : rows.all;
    if (!this.#journal.isStructural) list = this.#inOrder(list, changed);
    if (list !== rows.all || valued.size > 0) rows.accept(list, valued);
  }

  #inOrder(list, changed) {
    const fresh = [...this.#incoming.values()].map((data) => this.#known(data));
    this.#incoming = new Map();
    for (const row of fresh) changed.add(row);
    const whole = fresh.length > 0 ? [...list, ...fresh] : list;
    const placeOf = (row) => this.#places.get(row) ?? Infinity;
    const isSorted = whole.every((row, index) => index === 0 || placeOf(whole[index - 1]) <= placeOf(row));
    return isSorted ? whole : [...whole].sort((one, other) => placeOf(one) - placeOf(other));
  }
}

function shownPart({ state, same_as: sameAs = null, pictures = [], problems = [], sent = {}, missing = 0, price = 0, trashed = [], is_gone: isGoneNow = false, product = 0, role = "" }) {
  return { state, same_as: sameAs, pictures, problems, sent, missing, price, trashed, is_gone: isGoneNow, product, role };
}

// An empty cell is left out, or "", or [].
function isSame(one, other) {
  if (one === other) return true;
  const textOf = (value) => (value?.length === 0 ? "" : JSON.stringify(typeof value === "number" ? String(value) : value ?? ""));
  return (textOf(one) || '""') === (textOf(other) || '""');
}
