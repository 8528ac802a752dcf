// 用量: keeps the figures true while work goes on, and passes on what is done about what nobody knows.

import { replaceContent } from "../core/dom.js";
import { HttpError, fetchHtmlIfChanged } from "../core/http.js";
import { runAction } from "../records/actions.js";
import { fetchResult, writeOff, resubmit } from "../records/unresolved.js";

const COMMANDS = { "fetch-result": fetchResult, resubmit, "write-off": writeOff };
const PAUSE = 2000; // between two looks while a batch runs

const page = document.querySelector("[data-usage]");
const part = page.querySelector("[data-part]");
let shown = Number(part.firstElementChild.dataset.version);
let drawn = "";
let timer = 0;
let resting = false;

/** Draw the figures anew; the keyboard stays on the button it was on, or goes to the head of the list. */
async function refresh() {
  clearTimeout(timer);
  timer = 0;
  const news = await fetchHtmlIfChanged(page.dataset.liveUrl, {}).catch(() => null);
  if (!news) return; // the bar says that the service is out of reach; the next change asks again
  if (news.html === drawn) return; // a button that is being pressed stays
  drawn = news.html;
  const held = part.contains(document.activeElement) ? document.activeElement : null;
  replaceContent(part, news.html);
  shown = Number(part.firstElementChild.dataset.version);
  if (held && held.tagName !== "SUMMARY") sameAs(held)?.focus({ preventScroll: true });
}

function sameAs({ dataset, parentElement }) {
  const record = parentElement?.closest("[data-record-id]")?.dataset.recordId;
  const scope = record ? `[data-record-id="${record}"]` : "[data-unresolved-bulk]";
  const mine = `${scope} [data-command="${dataset.command}"]`;
  return part.querySelector(mine) ?? part.querySelector("[data-unresolved-title]");
}

document.addEventListener("status", ({ detail }) => {
  if (detail.version === shown || timer) return;
  timer = setTimeout(refresh, resting ? PAUSE : 0);
  resting = true;
  setTimeout(() => (resting = false), PAUSE);
});
document.addEventListener("records-resolved", refresh);

page.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-command]");
  if (!button) return undefined;
  if (!button.closest("[data-unresolved-bulk]")) return runAction(button);
  const place = part.querySelector("[data-unresolved-error]");
  place.textContent = "";
  try {
    const { count, atStake } = button.dataset;
    await COMMANDS[button.dataset.command]({ all: true }, { count: Number(count), atStake });
  } catch (failure) {
    if (!(failure instanceof HttpError)) throw failure;
    place.textContent = failure.message;
  }
});
page.dataset.ready = "";
