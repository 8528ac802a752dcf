// The open table: its rows live on the server. What is changed here goes there by itself, and what changes there comes here.

import { Journal, holdPage } from "./journal.js";
import { madeBeforeReload, rememberMade, sendLeft } from "./left.js";
import { valueOf } from "./row.js";
import { ServerRows } from "./store_rows.js";
import { Sending } from "./store_sending.js";
import { HttpError, fetchJsonIfChanged, messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { randomKey } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { validateAgain } from "../grid/grid.js";

const BUSY = 1000; // ms between polls while pictures are under way
const IDLE = 2000;
const NEWS = ["poll-now", "records-resolved", "records-restored", "records-deleted"];

export class Store {
  #grid;
  #urls;
  #tellers; // {onSaving, onForeign, onRefused, onMade, onTable}
  #model; // of what is made here
  #journal;
  #rows;
  #sending;
  #state = { id: "", name: "", model: "", columns: [], workbook: null, version: 0, totals: null, stage: null, runId: null, isLoaded: false };
  #listeners = [];
  #poller;

  /**
   * grid: see grid/grid.js; id: of the table, "" for one that is not made yet; urls: {tables, tablePage(id)}; newTable: what it is made with.
   * onSaving({count: changes that are not on the server yet, error: why not, or "", isKept: whether the browser keeps them}), onForeign(text)
   * and onRefused(row, field, text) tell; onMade(id) after it was made; onTable(table) after its name, columns, totals … changed.
   */
  constructor(grid, { id, urls, newTable = {}, ...tellers }) {
    const page = randomKey();
    this.#grid = grid;
    this.#urls = urls;
    this.#tellers = tellers;
    this.#model = newTable.model;
    this.#state.id = id;
    const journal = this.#journal = new Journal(id, page);
    const rows = this.#rows = new ServerRows(grid, { journal, page, onForeign: tellers.onForeign });
    this.#sending = new Sending({ journal, rows, url: urls.tables, newTable, host: this.#hostOf(tellers) });
    this.#poller = poll((memory) => this.#load(memory), {
      interval: (hasFailed) => (!hasFailed && grid.rows.all.some(this.isBusy) ? BUSY : IDLE),
      onError: (error) => this.#showLoadError(error),
    });
    holdPage(page);
    grid.rows.watch((change) => this.#takeStep(change));
    addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
    for (const name of NEWS) document.addEventListener(name, this.refresh);
  }

  #hostOf({ onSaving, onForeign, onRefused }) {
    return {
      onSaving, onForeign, onRefused,
      id: () => this.id,
      columns: () => this.#state.columns,
      onColumns: (table) => this.#takeTable(table),
      onMade: (table) => this.#takeMade(table),
      onAnswer: (answer) => this.#takeAnswer(answer),
    };
  }

  get id() { return this.#state.id; }
  get name() { return this.#state.name; }
  get model() { return this.#state.model; }
  get recipe() { return this.#state.recipe ?? null; }
  get version() { return this.#state.version; }
  get totals() { return this.#state.totals; }
  get stage() { return this.#state.stage; } // see app/tables/stage.py; null until the table is made
  get runId() { return this.#state.runId; }
  get isLoaded() { return this.#state.isLoaded; }

  /** The row of the grid with an id of the server, or null. */
  rowOf(rowId) { return this.#rows.find(rowId); }

  /** What the server says of a row: {state, same_as, pictures, problems, sent, missing, price, trashed, is_gone, product, role}. */
  shownOf = (row) => this.#rows.shownOf(row);

  /** Whether pictures of a row are under way: its words are kept. */
  isBusy = (row) => this.#rows.isBusy(row);

  /** Whether a row has changes that the server does not have yet. */
  isStale = (row) => Object.keys(this.#journal.valuesOf(row.id ?? row.key)).length > 0;

  /** listener({rows: Set of those that changed, isWhole}) after each change, by the server or by a person. */
  watch(listener) { this.#listeners.push(listener); }

  /** Ask for what changed now; at first the whole table. */
  refresh = () => this.#poller.now();

  /** Resolves when all changes are on the server, rejects when they cannot be sent now. */
  async save() {
    this.#grid.editor.commit();
    await this.#sending.save();
  }

  /** Makes the table when it is not yet one, and saves it; resolves to its id. */
  async ensureSaved() {
    this.#sending.wantTable();
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
    this.#journal.setTyped(change && { op: "set", row: this.#rows.nameOf(change.row), values: valueOf(change.field, column.read(change.text)) });
  }

  // From here to the server.

  get #url() { return `${this.#urls.tables}/${this.id}`; }

  #takeStep({ operations, reset }) {
    if (reset || operations.length === 0) return;
    this.#sending.take(operations, this.#grid.rows.all);
    this.#tell(new Set(operations.map(({ row }) => row).filter(Boolean)));
  }

  #tell(rows, isWhole = false) {
    for (const listener of this.#listeners) listener({ rows, isWhole });
  }

  #takeMade(table) {
    this.#state.id = table.id;
    this.#takeTable(table);
    this.#tellers.onTable(this.#state);
    rememberMade(table.id);
    this.#tellers.onMade(table.id);
  }

  #takeAnswer(answer) {
    this.#take(answer);
    if (answer.version === this.version + 1) this.#state.version = answer.version; // nobody changed anything between
  }

  // From the server to here.

  async #load(memory) {
    if (!this.isLoaded) return void await (this.id ? this.#open() : this.#openNew());
    if (!this.id) return;
    await this.#sending.settled();
    const { moment } = this.#sending;
    const answer = await fetchJsonIfChanged(`${this.#url}?since=${this.version}&words=changed`, memory);
    if (!answer) return;
    if (moment === null || this.#sending.moment !== moment) return void this.#poller.later(); // it may be older than what was answered since
    this.#takeTable(answer.table);
    this.#state.version = answer.table.version;
    this.#take(answer);
  }

  // What pages left behind goes first, so that the rows arrive with it.
  async #open() {
    await sendLeft(this.#urls, { table: this.id });
    const answer = await requestJson("GET", this.#url);
    this.#state.isLoaded = true;
    this.#tellers.onForeign("");
    this.#takeTable(answer.table);
    this.#state.version = answer.table.version;
    this.#tellers.onTable(this.#state);
    this.#rows.reset(answer.rows);
    this.#tell(new Set(this.#grid.rows.all), true);
  }

  // What was typed into a new table that was left too soon, by a reload for one, is shown.
  async #openNew() {
    const before = madeBeforeReload();
    const [made = before] = await sendLeft(this.#urls, { table: "", model: this.#model });
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

  #take({ rows, removed = [], totals, stage }) {
    Object.assign(this.#state, totals && { totals }, stage && { stage });
    const changed = this.#rows.take(rows, removed);
    if (changed.size > 0) validateAgain(this.#grid, changed);
    this.#tell(changed);
    this.#tellers.onTable(this.#state);
  }
}
