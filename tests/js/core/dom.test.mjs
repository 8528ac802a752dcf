import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { apply, jsonOf } from "../../../static/js/core/dom.js";

test("the JSON of a data attribute is null where the element or the attribute is missing", () => {
  const element = { dataset: { filter: '{"status": "failed"}', empty: "" } };
  assert.deepEqual(jsonOf(element, "filter"), { status: "failed" });
  for (const [one, name] of [[element, "empty"], [element, "other"], [null, "filter"]]) assert.equal(jsonOf(one, name), null);
});

test("an address that has not changed is not written again", () => {
  const written = [];
  const link = {
    classList: {}, dataset: {},
    getAttribute: () => written.at(-1) ?? null,
    get href() { return new URL(written.at(-1) ?? "", "http://studio/").href; },
    set href(value) { written.push(value); },
  };
  for (const href of ["/records?a=1", "/records?a=1", "/records?a=2"]) apply(link, { href });
  assert.deepEqual(written, ["/records?a=1", "/records?a=2"]);
});
