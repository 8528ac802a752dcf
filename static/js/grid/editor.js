// One textarea edits every cell. It always has the focus and lies unseen over the active cell, so that an
// input method starts its composition there and no first letter is lost; it becomes visible with the text.

import { _ } from "../core/i18n.js";

// table: {area, list, element, rows, selection, view, columns, readOnly, onTyping?}
export function makeEditor(table) {
  const { area, list, selection, view } = table;
  const choices = makeChoices(list, (option) => {
    area.value = option;
    commit();
    focus();
  }, (id) => area.setAttribute("aria-activedescendant", id));
  let editing = null; // {row, column, typed: whether it began by typing}

  const focus = () => area.focus({ preventScroll: true });
  const column = () => table.columns[selection.column];
  const canEdit = () => !table.readOnly && ["text", "choice"].includes(column()?.kind) && table.rows.length > 0;

  // Follow the active cell while nothing is edited.
  function follow() {
    if (editing) return;
    area.value = "";
    area.readOnly = !canEdit();
    const cell = selection.shown ? view.cellAt(selection.row, selection.column) : null;
    if (cell) area.setAttribute("aria-activedescendant", cell.id);
    else area.removeAttribute("aria-activedescendant");
    place();
  }

  function place() {
    const place = view.placeOf(selection.row, selection.column);
    if (!place) return;
    area.style.left = `${place.left}px`;
    area.style.top = `${place.top}px`;
    area.style.width = `${place.width}px`;
    area.style.minHeight = `${place.height}px`;
    list.style.left = `${place.left}px`;
    list.style.minWidth = `${place.width}px`;
    const below = place.top + place.height - table.element.scrollTop + 260 < table.element.clientHeight;
    list.style.top = below || place.top < 280 ? `${place.top + place.height}px` : `${place.top}px`;
    list.classList.toggle("is-above", !below && place.top >= 280);
  }

  // Begin with the cell's own text (F2, double click) or with what was typed over it.
  function open({ typed = false } = {}) {
    if (editing || !canEdit()) return false;
    const row = table.rows.at(selection.row);
    view.reveal(selection.row, selection.column);
    editing = { row, column: column(), typed };
    if (!typed) area.value = row[column().field];
    area.classList.add("is-editing");
    area.classList.toggle("is-long", Boolean(column().multiline));
    place();
    grow();
    focus();
    if (!typed) area.setSelectionRange(column().options ? 0 : area.value.length, area.value.length);
    if (column().options) showChoices(typed);
    return true;
  }

  function showChoices(typed) {
    if (typed) choices.open(editing.column.options, area.value);
    else choices.openAt(editing.column.options, area.value || editing.column.placeholder);
  }

  function typedText() {
    if (!editing) open({ typed: true });
    if (!editing) return;
    grow();
    if (editing.column.options) showChoices(true);
    table.onTyping?.({ row: editing.row, field: editing.column.field, text: area.value });
  }

  function grow() {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, 320)}px`;
  }

  function commit() {
    if (!editing) return false;
    const { row, column: edited } = editing;
    const text = choices.isOpen && choices.current ? choices.current : area.value;
    close();
    table.rows.step(_("编辑"), () => table.rows.set(row, edited.field, edited.read(text)));
    follow();
    return true;
  }

  function cancel() {
    if (!editing) return false;
    close();
    follow();
    return true;
  }

  function close() {
    editing = null;
    choices.close();
    area.classList.remove("is-editing", "is-long");
    area.style.height = "";
    area.value = "";
    table.onTyping?.(null);
  }

  area.addEventListener("compositionstart", () => { if (!editing) open({ typed: true }); });
  area.addEventListener("input", typedText);
  // When the whole window loses the focus the area stays the active element, and its cell stays open.
  area.addEventListener("blur", () => { if (document.activeElement !== area) commit(); });
  selection.watch(follow);
  return {
    open, commit, cancel, follow, choices,
    focus,
    // What was pressed elsewhere is gone: the keys are the table's again. On a phone that would bring up its keyboard.
    regain: () => { if (matchMedia("(hover: hover)").matches) focus(); },
    get editing() { return editing; },
  };
}

// The small list under a cell whose values are a closed set. Typed text filters it.

// list: the listbox element. onChoose(option) is called for a click, onPoint(id of the option or "") when another one is current.
function makeChoices(list, onChoose, onPoint) {
  let shown = [];
  let current = -1;
  let meant = false; // whether the option pointed at was typed or walked to, and not only offered

  function open(options, text) {
    const wanted = text.normalize("NFKC").trim().toUpperCase();
    const starts = options.filter((option) => option.startsWith(wanted));
    const holds = options.filter((option) => !option.startsWith(wanted) && option.includes(wanted));
    shown = [...starts, ...holds];
    list.replaceChildren(...shown.map(makeOption));
    list.hidden = shown.length === 0;
    meant = wanted !== "";
    point(shown.indexOf(wanted) >= 0 ? shown.indexOf(wanted) : 0);
  }

  // All options, with the one that the cell holds pointed at; leaving them alone changes nothing.
  function openAt(options, value) {
    open(options, "");
    point(Math.max(shown.indexOf(value), 0));
  }

  function point(index) {
    current = shown.length === 0 ? -1 : (index + shown.length) % shown.length;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === current)));
    list.children[current]?.scrollIntoView({ block: "nearest" });
    onPoint(list.children[current]?.id ?? "");
  }

  function close() {
    shown = [];
    current = -1;
    list.hidden = true;
  }

  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) onChoose(option.textContent);
  });
  return {
    open, openAt, close,
    move(by) {
      meant = true;
      point(current + by);
    },
    get isOpen() { return !list.hidden; },
    get current() { return meant ? shown[current] ?? null : null; },
  };
}

function makeOption(text, index) {
  const option = document.createElement("li");
  option.setAttribute("role", "option");
  option.id = `cell-choice-${index}`;
  option.textContent = text;
  return option;
}
