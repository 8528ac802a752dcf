// Which items of a list are selected: one by one, or a range with Shift. The list is wholly in the page; each item has a
// checkbox with data-select, whose value is the item's id.

/** The checkboxes between the one last pressed, named by its value, and `box`, which is pressed now. */
export function rangeTo(box, boxes, last) {
  const to = boxes.indexOf(box);
  const from = boxes.findIndex(({ value }) => value === last);
  return from < 0 ? [box] : boxes.slice(Math.min(from, to), Math.max(from, to) + 1);
}

/**
 * `root` holds the list and has the class is-choosing while something is selected, or since start(); `bar` is shown then
 * (selection.css).
 * `item` is the selector of an item; changed(items) is called after each change, with the selected elements.
 *
 * Returns {isOpen, size(), ids(), start(), toggle(id), clear(), refresh()}; refresh() is to be called when the list was drawn anew.
 */
export function bindSelection(root, bar, { item, changed }) {
  const selected = new Set(); // values of checkboxes
  const boxes = () => [...root.querySelectorAll("[data-select]")];
  const itemOf = (box) => box.closest(item);
  let last = ""; // where a range begins
  let isStarted = false; // by start(), until clear()

  function select(values, isSelected) {
    for (const value of values) selected[isSelected ? "add" : "delete"](value);
    refresh();
  }

  /** What is no longer in the list is not selected either. */
  function refresh() {
    const present = boxes();
    const values = new Set(present.map(({ value }) => value));
    for (const value of selected) if (!values.has(value)) selected.delete(value);
    for (const box of present) {
      box.checked = selected.has(box.value);
      itemOf(box).classList.toggle("is-selected", box.checked);
    }
    const hadFocus = bar.contains(document.activeElement);
    const isChoosing = isStarted || selected.size > 0;
    root.classList.toggle("is-choosing", isChoosing);
    bar.hidden = !isChoosing;
    if (hadFocus && bar.hidden) (boxes().find(({ value }) => value === last) ?? boxes()[0])?.focus({ preventScroll: true });
    changed(present.filter((box) => box.checked).map(itemOf));
  }

  function clear() {
    isStarted = false;
    selected.clear();
    refresh();
  }

  /** While choosing by finger, a tap on an image selects it. */
  function toggleTapped(event) {
    const tapped = event.target.closest("[data-image-url]")?.closest(item).querySelector("[data-select]");
    if (!tapped || bar.hidden || !matchMedia("(hover: none)").matches) return;
    event.preventDefault();
    select([tapped.value], !tapped.checked);
  }

  root.addEventListener("click", (event) => {
    const { target, shiftKey } = event;
    const box = target.closest("[data-select]");
    if (!box) return toggleTapped(event);
    select(rangeTo(box, boxes(), shiftKey ? last : "").map(({ value }) => value), box.checked);
    last = box.value;
    return undefined;
  });
  bar.querySelector("[data-selection-none]").addEventListener("click", clear);
  return {
    /** Whether the bar is shown. */
    get isOpen() {
      return !bar.hidden;
    },
    size: () => selected.size,
    ids: () => [...selected],
    start() {
      isStarted = true;
      refresh();
    },
    toggle: (id) => select([String(id)], !selected.has(String(id))),
    clear,
    refresh,
  };
}
