import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { jsonOf } from "../../../static/js/core/dom.js";

test("the JSON of a data attribute is null where the element or the attribute is missing", () => {
  const element = { dataset: { filter: '{"status": "failed"}', empty: "" } };
  assert.deepEqual(jsonOf(element, "filter"), { status: "failed" });
  for (const [one, name] of [[element, "empty"], [element, "other"], [null, "filter"]]) assert.equal(jsonOf(one, name), null);
});
