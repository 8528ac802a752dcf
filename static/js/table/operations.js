// A step of the table (grid/rows.js) as operations on the server's rows.

/**
 * operations: of the step; list: all rows after it. nameOf(row) -> its id or key; isKnown(row): whether the server has or will have it;
 * contentOf(row) and valuesOf(row, fields) -> as the API has them.
 */
export function operationsOf(operations, list, { nameOf, isKnown, contentOf, valuesOf }) {
  const { before, after, fields } = netOf(operations);
  const removed = [...before].filter((row) => !after.has(row));
  const restored = [...after].filter((row) => !before.has(row) && isKnown(row));
  const placed = new Set([...after].filter((row) => !restored.includes(row)));
  const found = [];
  if (removed.length > 0) found.push({ op: "remove", rows: removed.map(nameOf) });
  if (restored.length > 0) found.push({ op: "restore", rows: restored.map(nameOf) });
  let last = null; // the operation whose rows go on
  list.forEach((row, index) => {
    if (!placed.has(row)) return void (last = null);
    const op = before.has(row) ? "move" : "add";
    if (last?.op !== op) found.push(last = { op, after: index > 0 ? nameOf(list[index - 1]) : 0, rows: [], ...(op === "add" && { keys: [] }) });
    if (op === "add") last.keys.push(nameOf(row));
    last.rows.push(op === "add" ? contentOf(row) : nameOf(row));
  });
  for (const [row, names] of fields) {
    if (!(placed.has(row) && !before.has(row))) found.push({ op: "set", row: nameOf(row), values: valuesOf(row, names) });
  }
  return found;
}

// Rows that were there and are taken, rows that are put and stay, and the fields that are set of each row.
function netOf(operations) {
  const before = new Set();
  const after = new Set();
  const fields = new Map();
  for (const { kind, row, field, entries } of operations) {
    if (kind === "set") fields.set(row, new Set([...(fields.get(row) ?? []), field]));
    else for (const entry of entries) {
      if (kind === "put") after.add(entry.row);
      else if (!after.delete(entry.row)) before.add(entry.row);
      else if (!before.has(entry.row)) fields.delete(entry.row);
    }
  }
  return { before, after, fields };
}
