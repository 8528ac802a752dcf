// The list by keyboard: arrows move from record to record, Space ticks, Enter opens, Delete deletes, F keeps, D downloads.

/** deed(name) does something to what is selected, act(name, record) to one. */
export function bindShortcuts(page, { selection, deed, act }) {
  const records = () => [...page.querySelectorAll("[data-records] [data-record-id]")];
  const here = () => document.activeElement?.closest?.("[data-records] [data-record-id]");

  function enter(record) {
    const place = record?.querySelector("[data-image-url]") ?? record?.querySelector("[data-select]");
    place?.focus({ preventScroll: true });
    record?.scrollIntoView({ block: "nearest" });
  }

  function move(key) {
    const all = records();
    const at = all.indexOf(here());
    if (at < 0) return enter(all[0]);
    if (key === "ArrowUp" || key === "ArrowDown") return enter(across(all, at, key === "ArrowDown"));
    return enter(all[at + (key === "ArrowRight" ? 1 : -1)]);
  }

  function deleteHere() {
    if (page.querySelector("[data-list][data-trash]")) return undefined;
    if (selection.size()) return deed("delete"); // what is ticked, wherever the focus is
    return here() && act("delete", here());
  }

  let isForOpen = false; // Esc closes what is open, here or in the top bar, before it takes the ticks away
  document.addEventListener("keydown", () => (isForOpen = Boolean(document.querySelector("details[open]"))), { capture: true });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    const { key, target } = event;
    if (key === "ArrowDown" && target.matches("[data-search]")) return enter(records()[0]);
    if (target.matches('input:not([type="checkbox"]), textarea, select, summary')) return undefined;
    if (key.startsWith("Arrow") && (here() || target === document.body)) move(key);
    else if (key === "Delete") deleteHere();
    else if (key === "Escape" && selection.size() && !isForOpen) selection.clear();
    else if (here() && key === " " && target.matches("a")) selection.toggle(Number(here().dataset.recordId));
    else if (here() && key === "Enter" && target.matches("[data-select]")) here().querySelector("[data-image-url]")?.click();
    else if (here() && key.toLowerCase() === "f") here().querySelector('[data-command="favourite"]')?.click();
    else if (here() && key.toLowerCase() === "d") here().querySelector("[download]")?.click();
    else return undefined;
    event.preventDefault();
    return undefined;
  });

  return { enter };
}

/** The record below or above: in a grid the nearest one of the next row. */
function across(all, at, isDown) {
  const from = all[at].getBoundingClientRect();
  const middle = from.left + from.width / 2;
  const beyond = (isDown ? all.slice(at + 1) : all.slice(0, at).reverse()).map((record) => [record, record.getBoundingClientRect()]);
  const next = beyond.find(([, box]) => (isDown ? box.top >= from.bottom - 1 : box.bottom <= from.top + 1));
  if (!next) return undefined;
  const row = beyond.filter(([, box]) => Math.abs(box.top - next[1].top) < 2);
  const far = ([, box]) => Math.abs(box.left + box.width / 2 - middle);
  return row.reduce((best, one) => (far(one) < far(best) ? one : best))[0];
}
