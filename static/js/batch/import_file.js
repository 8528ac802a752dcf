// One workbook as rows of the table, with what is to be corrected in it.

import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { FIELD_OF } from "../grid/columns.js";
import { makeRow } from "../grid/rows.js";

/** Upload one file -> {rows (of the table), problems, notes, done}; throws HttpError. */
export async function importFile(url, file) {
  const form = new FormData();
  form.append("file", file);
  return readAnswer(await requestJson("POST", url, form));
}

// The file's row numbers become rows of the table; marks and references find their row by it.
function readAnswer(answer) {
  const byNumber = new Map();
  const all = answer.rows.map((line) => {
    const fields = line.fields ?? line;
    const row = makeRow({ ...fields, sample_images: (line.references ?? []).map(unchecked) });
    byNumber.set(line.number, row);
    return { row, status: line.status };
  });
  for (const found of answer.references ?? []) attach(byNumber.get(found.row), found);
  const problems = (answer.problems ?? []).map((found) => ({ ...found, line: found.row, row: byNumber.get(found.row), field: FIELD_OF[found.column] }));
  const done = all.filter(({ status }) => status === "success").length;
  return {
    rows: all.filter(({ status }) => status !== "success").map(({ row }) => row),
    done, problems,
    notes: [...answer.notes ?? [], ...problems.filter(({ field }) => !field).map(({ line, error }) => _("文件第 {line} 行：{error}", { line, error }))],
  };
}

function unchecked(filename) {
  return { url: "", filename, match: "unchecked" };
}

function attach(row, { name, match, image, candidates }) {
  if (!row) return;
  row.sample_images = row.sample_images.map((reference) => {
    if (reference.filename !== name || reference.url) return reference;
    return match === "exact" && image ? image : { ...reference, match, candidates };
  });
}
