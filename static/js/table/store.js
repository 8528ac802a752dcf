// The open table: its rows live on the server. What is changed here goes there by itself, and what changes there comes here.

import { Journal, holdPage } from "./journal.js";
import { isRefusal, sendLeft } from "./left.js";
import { operationsOf } from "./operations.js";
import { ownNames } from "./own_columns.js";
import { cellOf, contentOf, fieldOf, flat, makeRow, valueOf, valuesOf } from "./row.js";
import { randomKey } from "../core/orders.js";
import { HttpError, fetchJsonIfChanged, messageOf, requestJson, sendWhenLeaving } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { poll } from "../core/poll.js";
import { validateAgain } from "../grid/grid.js";

const PAUSE = 300; // ms from a change until it is sent
const RETRIES = [1000, 2000, 4000, 8000, 15_000]; // ms between attempts
const BUSY = 1000; // ms between polls while pictures are under way
const IDLE = 2000;
const REMEMBERED = 60_000; // ms for which somebody is told that a value they wrote was replaced
const MAX_SENT_ON_LEAVING = 60_000; // bytes, as browsers have it
const UNDER_WAY = ["queued", "running"];

/**
 * grid: see grid/grid.js; id: of the table, "" for one that is not made yet; urls: {tables}; newTable: what it is made with.
 * onSaving({count: changes that are not on the server yet, error: why not, or "", isKept: whether the browser keeps them}), onForeign(text)
 * and onRefused(row, field, text) tell; onMade(id) after it was made; onTable(table) after its name, columns, totals … changed.
 */
export function makeStore(grid, { id, urls, newTable = {}, onSaving, onForeign, onRefused, onMade, onTable }) {
  const page = randomKey();
  const { rows } = grid;
  const journal = new Journal(id, page);
  const byId = new Map(); // id on the server -> row
  const byKey = new Map(); // key of a new row -> row
  const places = new Map(); // row -> its place
  const said = new WeakMap(); // row -> what the server says of it
  const onServer = new WeakMap(); // row -> its values there, as far as they are known
  const written = new Map(); // "row/name" -> when its value went from here to the server
  const listeners = [];
  const state = { id, version: 0, name: "", model: "", prefix: "", suffix: "", columns: [], totals: null, runId: null, workbook: null, error: "", isLoaded: false };
  let incoming = new Map(); // id -> rows from elsewhere whose place is not known yet
  let timer = 0;
  let failures = 0;
  let sending = null; // a promise
  let epoch = 0; // counts calls that change the table
  let keys = 0;

  const tableUrl = () => `${urls.tables}/${state.id}`;
  const nameOf = (row) => row.id ?? (row.key ??= newKey(row));

  function newKey(row) {
    const key = `${page}:${keys += 1}`;
    byKey.set(key, row);
    return key;
  }

  const tellSaving = () => onSaving({ count: journal.size, error: state.error, isKept: journal.isKept });
  const tell = (changed, isWhole = false) => { for (const listener of listeners) listener({ rows: changed, isWhole }); };

  // What was changed here.
  rows.watch(({ operations, reset }) => {
    if (reset || operations.length === 0) return;
    journal.add(operationsOf(operations, rows.all, { nameOf, isKnown: (row) => Boolean(row.id ?? row.key), contentOf, valuesOf }));
    if (!state.id && !journal.making) journal.setMaking(randomKey());
    tellSaving();
    tell(new Set(operations.map(({ row }) => row).filter(Boolean)));
    sendSoon();
  });

  function setTyped(change) {
    if (change && rows.indexOf(change.row) < 0) return;
    const column = change && grid.allColumns.find(({ field }) => field === change.field);
    journal.setTyped(change && { op: "set", row: nameOf(change.row), values: valueOf(change.field, column.read(change.text)) });
  }

  function sendSoon(pause = PAUSE) {
    timer ||= setTimeout(() => {
      timer = 0;
      send().catch(() => {}); // which is told
    }, pause);
  }

  /** Send all that waits; resolves when it is on the server, rejects when it cannot be sent now. */
  function send() {
    clearTimeout(timer);
    timer = 0;
    sending ??= sendAll().finally(() => { sending = null; });
    return sending;
  }

  async function sendAll() {
    try {
      if (!state.id && journal.making) await make();
      await addColumns();
      for (let call = journal.take(randomKey()); call; call = journal.take(randomKey())) await sendOnce(call);
      failures = 0;
      state.error = "";
    } catch (error) {
      if (!(error instanceof HttpError)) reportError(error);
      state.error = messageOf(error);
      sendSoon(RETRIES[Math.min(failures++, RETRIES.length - 1)]);
      throw error;
    } finally {
      tellSaving();
    }
  }

  async function make() {
    const { table } = await requestJson("POST", urls.tables, { ...newTable, request_id: journal.making });
    state.id = table.id;
    journal.moveTo(table.id);
    takeTable(table);
    onMade(table.id);
  }

  // The table has the own columns of its rows before these are sent.
  async function addColumns() {
    const missing = ownNames().filter((name) => !state.columns.includes(name));
    if (!state.id || missing.length === 0) return;
    takeTable((await requestJson("PUT", tableUrl(), { columns: [...state.columns, ...missing] })).table);
  }

  async function sendOnce({ key, operations }) {
    epoch += 1;
    const sent = journal.sending.operations;
    try {
      const answer = await requestJson("PATCH", tableUrl(), { operations, request_id: key });
      for (const [name, rowId] of journal.answered(answer.added)) identify(byKey.get(name), rowId);
      remember(sent);
      take(answer);
      if (answer.version === state.version + 1) state.version = answer.version; // nobody changed anything between
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const refused = journal.refused(randomKey());
      if (refused) tellRefused(refused, error);
    } finally {
      epoch += 1;
    }
  }

  function identify(row, rowId) {
    if (!row) return;
    byId.set(rowId, row);
    row.id = rowId;
  }

  function rowNamed(name) {
    return byId.get(name) ?? byKey.get(name);
  }

  function tellRefused({ op, row: name, values, keys: names = [], rows: named = [] }, error) {
    const row = rowNamed(op === "set" ? name : names[0] ?? named[0]);
    if (row && error.status === 404) return onForeign(_("第 {number} 行在别处删掉了，这一行的修改没有存上", { number: row.number }));
    const field = fieldOf(values ? Object.keys(values)[0] : error.field || "prompt");
    return row && onRefused(row, field, _("没有存上：{error}", { error: error.message }));
  }

  function remember(operations) {
    for (const { op, row: rowId, values, keys: names = [], rows: added } of operations) {
      names.forEach((name, index) => byKey.has(name) && onServer.set(byKey.get(name), flat(added[index])));
      if (op !== "set") continue;
      onServer.set(byId.get(rowId), { ...onServer.get(byId.get(rowId)), ...values });
      for (const name of Object.keys(values)) written.set(`${rowId}/${name}`, Date.now());
    }
  }

  // What the server says: of rows that are there, of new ones, and of those that are gone.
  function take({ rows: answered, removed = [], totals }) {
    const changed = new Set();
    const valued = new Set();
    for (const data of answered) {
      const row = byId.get(data.id);
      if (!row) incoming.set(data.id, data);
      else {
        changed.add(row);
        if (takeRow(row, data)) valued.add(row);
      }
    }
    for (const rowId of removed) incoming.delete(rowId);
    if (totals) state.totals = totals;
    settle(removed, changed, valued);
    if (changed.size > 0) validateAgain(grid, changed);
    tell(changed);
    onTable(state);
  }

  // Returns whether a cell has another value now. One that was changed here since keeps its own.
  function takeRow(row, data) {
    const [own, before, now] = [journal.valuesOf(nameOf(row)), onServer.get(row) ?? {}, flat(data)];
    let isChanged = row.number !== data.number;
    know(row, data);
    for (const name of Object.keys({ ...before, ...now })) {
      if (name in own || isSame(before[name], now[name])) continue;
      const field = fieldOf(name);
      if (isSame(valueOf(field, row[field])[name], now[name])) continue;
      tellReplaced(row, name, field, data);
      row[field] = cellOf(field, now[name]);
      isChanged = true;
    }
    row.number = data.number;
    return isChanged;
  }

  function know(row, data) {
    byId.set(data.id, row);
    said.set(row, shownPart(data));
    places.set(row, data.place);
    onServer.set(row, flat(data));
  }

  function tellReplaced(row, name, field, data) {
    const at = written.get(`${row.id}/${name}`);
    if (!at || Date.now() - at > REMEMBERED) return;
    written.delete(`${row.id}/${name}`);
    const label = grid.allColumns.find((column) => column.field === field)?.label ?? name;
    onForeign(_("第 {number} 行的「{label}」刚在别处改过，现在是那边写的", { number: data.number, label }));
  }

  // Rows that are new or moved elsewhere find their places once nothing from here is on its way.
  function settle(removed, changed, valued) {
    const gone = new Set(removed.map((rowId) => byId.get(rowId)).filter((row) => row && places.delete(row)));
    let list = rows.all;
    if (gone.size > 0) list = list.filter((row) => !gone.has(row));
    if (!journal.isStructural) list = inOrder(list, changed);
    if (list === rows.all && valued.size === 0) return;
    rows.accept(list, valued);
  }

  function inOrder(list, changed) {
    const fresh = [...incoming.values()].map((data) => known(data));
    incoming = new Map();
    for (const row of fresh) changed.add(row);
    const whole = fresh.length > 0 ? [...list, ...fresh] : list;
    const placeOf = (row) => places.get(row) ?? Infinity;
    const isSorted = whole.every((row, index) => index === 0 || placeOf(whole[index - 1]) <= placeOf(row));
    return isSorted ? whole : [...whole].sort((one, other) => placeOf(one) - placeOf(other));
  }

  function known(data) {
    const row = makeRow(data);
    know(row, data);
    return row;
  }

  function takeTable({ version: _version, totals, run, ...table }) {
    Object.assign(state, table, totals && { totals }, run !== undefined && { runId: run });
  }

  // What pages left behind goes first, so that the rows arrive with it.
  async function open() {
    await sendLeft(urls, { table: state.id });
    const answer = await requestJson("GET", tableUrl());
    state.isLoaded = true;
    onForeign("");
    takeTable(answer.table);
    state.version = answer.table.version;
    onTable(state);
    rows.reset(answer.rows.map(known));
    tell(new Set(rows.all), true);
  }

  // What was typed into a new table that was left too soon, by a reload for one, is shown.
  async function openNew() {
    const [made] = await sendLeft(urls, { table: "" });
    state.isLoaded = true;
    if (made && journal.isEmpty) location.replace(urls.tablePage(made));
  }

  async function load(memory) {
    if (!state.id) return void (state.isLoaded || await openNew());
    if (!state.isLoaded) return void await open();
    if (sending) await sending.catch(() => {});
    const before = epoch;
    const answer = await fetchJsonIfChanged(`${tableUrl()}?since=${state.version}`, memory);
    if (!answer) return;
    if (sending || before !== epoch) return void poller.later(); // it may be older than what was answered since
    takeTable(answer.table);
    state.version = answer.table.version;
    take(answer);
  }

  const shownOf = (row) => said.get(row) ?? shownPart({ state: grid.validation.isFilled(row) ? "to_make" : "empty" });
  const isBusy = (row) => UNDER_WAY.includes(said.get(row)?.state);
  const isUnderWay = () => rows.all.some(isBusy);
  const poller = poll(load, {
    interval: (hasFailed) => (!hasFailed && isUnderWay() ? BUSY : IDLE),
    onError(error) {
      if (!(error instanceof HttpError)) reportError(error);
      if (error.status === 409) location.reload(); // another database
      if (error.status === 404) onForeign(_("这个表格在别处删掉了，这里的修改存不上"));
      if (!state.isLoaded) onForeign(messageOf(error));
    },
  });

  // A page that is left says so, and sends what waits in one call that outlives it.
  function leave() {
    journal.setLeft(true);
    const call = state.id && journal.take(randomKey());
    const body = call && JSON.stringify({ operations: call.operations, request_id: call.key });
    if (body && body.length < MAX_SENT_ON_LEAVING) sendWhenLeaving("PATCH", tableUrl(), body);
  }

  holdPage(page);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && timer) send().catch(() => {}); });
  for (const name of ["poll-now", "records-resolved", "records-restored", "records-deleted"]) document.addEventListener(name, poller.now);

  async function save() {
    grid.editor.commit();
    if (!journal.isEmpty || journal.making) await send();
    if (!journal.isEmpty) await save();
  }

  async function ensureSaved() {
    if (!state.id && !journal.making) journal.setMaking(randomKey());
    await save();
    return state.id;
  }

  return Object.defineProperties({
    page, isBusy, shownOf, save, ensureSaved, setTyped,
    open: poller.now,
    rowOf: (rowId) => byId.get(rowId) ?? null,
    isStale: (row) => Object.keys(journal.valuesOf(nameOf(row))).length > 0,
    watch(listener) { listeners.push(listener); },
    refresh: poller.now,
    async put(changes) {
      await ensureSaved();
      const { table } = await requestJson("PUT", tableUrl(), changes);
      takeTable(table);
      onTable(state);
      await poller.now();
    },
    async undoOnServer(version) {
      await save();
      take(await requestJson("POST", `${tableUrl()}/undo`, { version }));
    },
  }, Object.fromEntries(Object.keys(state).map((name) => [name, { get: () => state[name], enumerable: true }])));
}

function shownPart({ state, same_as: sameAs = null, pictures = [], problems = [], sent = {}, missing = 0, price = 0, trashed = [], is_gone: isGone = false }) {
  return { state, same_as: sameAs, pictures, problems, sent, missing, price, trashed, is_gone: isGone };
}

// An empty cell is left out, or "", or [].
function isSame(one, other) {
  if (one === other) return true;
  const textOf = (value) => (value?.length === 0 ? "" : JSON.stringify(typeof value === "number" ? String(value) : value ?? ""));
  return (textOf(one) || '""') === (textOf(other) || '""');
}
