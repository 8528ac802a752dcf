// One row of the batch table: its fields as they were typed, the marks left on them, and what is wrong.

let lastKey = 0;

// Marks stand beside a field for as long as it keeps the value they were made for:
// {field: {value, error, fixed}}; `fixed` is a correction that was made, not a complaint.
export function makeRow(fields = {}) {
  return {
    key: ++lastKey,
    prompt: words(fields.prompt),
    negative_prompt: words(fields.negative_prompt),
    aspect_ratio: words(fields.aspect_ratio),
    resolution: words(fields.resolution),
    sample_images: fields.sample_images ?? [],
    num_images: words(fields.num_images),
    filename: words(fields.filename),
    seed: words(fields.seed),
    steps: words(fields.steps),
    marks: fields.marks ?? {},
    run: fields.run ?? null,
  };
}

export function copyOfRow(row) {
  return makeRow({ ...row, run: null });
}

// of(row) -> {field: complaint}, remembered until forget(rows).
export function makeChecks(columns) {
  const fields = columns.filter(({ field, kind }) => field && kind !== "unused");
  let known = new WeakMap();
  const look = (row) => {
    const found = {};
    for (const { field, check } of fields) {
      const problem = check(row[field], row) || markOn(row, field)?.error;
      if (problem) found[field] = problem;
    }
    return found;
  };
  return {
    of(row) {
      if (!known.has(row)) known.set(row, look(row));
      return known.get(row);
    },
    forget(rows) { for (const row of rows) known.delete(row); },
    forgetAll() { known = new WeakMap(); },
  };
}

function markOn(row, field) {
  const mark = row.marks[field];
  return mark && JSON.stringify(mark.value) === JSON.stringify(row[field]) ? mark : null;
}

function words(value) {
  return value === undefined || value === null ? "" : String(value);
}
