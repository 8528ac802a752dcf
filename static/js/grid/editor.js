// One textarea edits every cell. It always has the focus and lies transparent over the active cell, so that an
// input method starts its composition there and no first letter is lost; it becomes visible with the text.

import { apply, create } from "../core/dom.js";
import { _ } from "../core/i18n.js";

const MAX_HEIGHT = 320;
const CHOICES_HEIGHT = 260; // of a list that is not open yet
const ABOVE_CHOICES = 20;

/**
 * table: see grid.js; its suggest(column, text before the caret) -> {start, typed, options}: what the text from
 * `start` on may become, of which `typed` are the first letters; or null. onTyping({row, field, text}) is called for each change of the open cell, onTyping(null) when it closes.
 */
export function makeEditor(table, onTyping) {
  const { textarea, choiceList, selection, view } = table;
  const choices = makeChoices(choiceList, {
    onChoose(option) {
      if (suggestion) return complete(option);
      textarea.value = option;
      commit();
      return focus();
    },
    onHighlight: (id) => point(id),
  });
  let editing = null; // {row, column, isTyped: whether it began by typing over the cell, isReading: whether it stays as it is}
  let suggestion = null; // what the list offers to complete: {start, caret, options}

  const focus = () => textarea.focus({ preventScroll: true });
  const point = (id) => (id ? textarea.setAttribute("aria-activedescendant", id) : textarea.removeAttribute("aria-activedescendant")); // to a cell or an option
  const column = () => table.columns[selection.column];
  const canEdit = () => {
    const row = table.rows.shown[selection.row];
    return Boolean(row && column()?.isEditable && !column().refuses?.(row) && table.canEdit(row, column()));
  };

  const hasNoRow = () => table.rows.length === 0 && !table.rows.isFrozen; // what is typed begins the first one

  /** Lie over the active cell; one that is edited stays open. */
  function sync() {
    if (!editing) {
      textarea.value = "";
      textarea.readOnly = !canEdit() && !hasNoRow();
      point(selection.isActive ? view.cellAt(selection.row, selection.column)?.id : "");
    }
    position();
  }

  function position() {
    const bounds = view.boundsOf(selection.row, selection.column);
    if (!bounds) return;
    const { left, top, width, height } = bounds;
    const bottom = top + height;
    const listed = choiceList.offsetHeight || CHOICES_HEIGHT;
    const isAbove = bottom - table.element.scrollTop + listed >= table.element.clientHeight && top >= listed + ABOVE_CHOICES;
    Object.assign(textarea.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, minHeight: `${height}px` });
    Object.assign(choiceList.style, { left: `${left}px`, minWidth: `${width}px`, top: `${isAbove ? top : bottom}px` });
    choiceList.classList.toggle("is-above", isAbove);
  }

  // A long text that cannot be edited can be read in full.
  const canRead = () => Boolean(!canEdit() && column()?.multiline && table.rows.shown[selection.row]?.[column().field]);

  /** Begin with the cell's own text (F2, double click) or with what was typed over it; false where nothing can be edited, or read in full. */
  function open({ isTyped = false } = {}) {
    const isReading = canRead();
    if (editing || !(isReading || canEdit())) return false;
    const row = table.rows.shown[selection.row];
    const { field, multiline, options } = column();
    view.reveal(selection.row, selection.column);
    editing = { row, column: column(), isTyped, isReading };
    if (!isTyped) textarea.value = row[field];
    apply(textarea, { classes: { "is-editing": true, "is-long": multiline } });
    position();
    grow();
    focus();
    if (!isTyped) textarea.setSelectionRange(options ? 0 : textarea.value.length, textarea.value.length);
    if (options) {
      showChoices(isTyped);
      position();
    }
    return true;
  }

  function showChoices(isFiltered) {
    const { offered, placeholder } = editing.column;
    const options = offered?.(editing.row) ?? editing.column.options;
    if (isFiltered) choices.filter(options, textarea.value);
    else choices.open(options, textarea.value || placeholder);
  }

  function showSuggestions() {
    if (!editing || editing.column.options) return undefined;
    const { selectionStart: caret, value } = textarea;
    const found = table.suggest(editing.column, value.slice(0, caret));
    if (!found) return dismissSuggestions();
    suggestion = { ...found, caret };
    choiceList.style.top = `${textarea.offsetTop + (choiceList.classList.contains("is-above") ? 0 : textarea.offsetHeight)}px`;
    return choices.filter(found.options, found.typed);
  }

  /** False where there are none. */
  function dismissSuggestions() {
    if (!suggestion) return false;
    const wasOpen = choices.isOpen;
    suggestion = null;
    choices.close();
    point("");
    return wasOpen;
  }

  /** Put an option of the list in the place of what was typed of it; false where none is offered. */
  function complete(option = suggestion && choices.highlighted) {
    const { selectionStart: caret, value } = textarea;
    if (!option || caret !== suggestion.caret) return false;
    const end = value[caret] === option.at(-1) ? caret + 1 : caret;
    textarea.setRangeText(option, suggestion.start, end, "end");
    focus();
    onInput();
    return true;
  }

  function openTyped() {
    const { value } = textarea;
    if (hasNoRow()) table.commands.add();
    textarea.value = value;
    open({ isTyped: true });
  }

  function onInput() {
    if (!editing) openTyped();
    if (!editing) return;
    grow();
    if (editing.column.options) showChoices(true);
    else showSuggestions();
    onTyping({ row: editing.row, field: editing.column.field, text: textarea.value });
  }

  function grow() {
    textarea.style.height = "auto";
    textarea.style.height = `${Math.min(textarea.scrollHeight + 2, MAX_HEIGHT)}px`;
  }

  function commit() {
    if (!editing || editing.isReading) return cancel();
    const { row, column: { field, read } } = editing;
    const text = (!suggestion && choices.isOpen && choices.current) || textarea.value;
    close();
    table.rows.step(_("编辑"), () => table.rows.set(row, field, read(text)));
    sync();
    return true;
  }

  function cancel() {
    if (!editing) return false;
    close();
    sync();
    return true;
  }

  function close() {
    editing = null;
    suggestion = null;
    choices.close();
    apply(textarea, { value: "", classes: { "is-editing": false, "is-long": false } });
    textarea.style.height = "";
    onTyping(null);
  }

  textarea.addEventListener("compositionstart", openTyped);
  textarea.addEventListener("input", onInput);
  // When the whole window loses the focus the textarea stays the active element, and its cell stays open.
  textarea.addEventListener("blur", () => { if (document.activeElement !== textarea) commit(); });
  selection.watch(sync);
  return {
    open, commit, cancel, showSuggestions, openText: () => canRead() && open(), complete, dismissSuggestions, sync, choices, focus,
    /** After what had the focus elsewhere is gone; on a phone that would bring up its keyboard. */
    focusUnlessTouch: () => { if (matchMedia("(hover: hover)").matches) focus(); },
    get editing() { return editing; },
  };
}

// The list under a cell whose values are a closed set. onChoose(option) is called for a click, onHighlight(id of
// the option, or "") when another one is highlighted.
function makeChoices(list, { onChoose, onHighlight }) {
  let shown = [];
  let highlighted = -1;
  let isChosen = false; // whether what is highlighted was typed or walked to, and not only offered

  /** The options that start with the text, then those that contain it. */
  function filter(options, text) {
    const wanted = text.normalize("NFKC").trim().toUpperCase();
    const folded = new Map(options.map((option) => [option, option.normalize("NFKC").toUpperCase()]));
    const starting = options.filter((option) => folded.get(option).startsWith(wanted));
    const containing = options.filter((option) => !starting.includes(option) && folded.get(option).includes(wanted));
    shown = [...starting, ...containing];
    list.replaceChildren(...shown.map((text, index) => create("li", { id: `cell-choice-${index}`, textContent: text, attributes: { role: "option" } })));
    list.hidden = shown.length === 0;
    isChosen = wanted !== "";
    highlight(Math.max(shown.indexOf(wanted), 0));
  }

  /** All options, with that of the cell highlighted; leaving them alone changes nothing. */
  function open(options, value) {
    filter(options, "");
    highlight(Math.max(shown.indexOf(value), 0));
  }

  function highlight(index) {
    highlighted = shown.length === 0 ? -1 : (index + shown.length) % shown.length;
    [...list.children].forEach((option, at) => apply(option, { ariaSelected: String(at === highlighted) }));
    list.children[highlighted]?.scrollIntoView({ block: "nearest" });
    onHighlight(list.children[highlighted]?.id ?? "");
  }

  function close() {
    shown = [];
    highlighted = -1;
    list.hidden = true;
  }

  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) onChoose(option.textContent);
  });
  return {
    open, filter, close,
    move(by) {
      isChosen = true;
      highlight(highlighted + by);
    },
    get isOpen() { return !list.hidden; },
    get highlighted() { return list.hidden ? null : shown[highlighted]; },
    get current() { return isChosen ? shown[highlighted] ?? null : null; },
  };
}
