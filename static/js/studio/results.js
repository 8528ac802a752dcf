// Pictures on a page: follows what changes, counts seconds, sharpens what is looked at, and passes clicks
// to actions.js and lightbox.js, which are fetched when first needed.

import { mergeItems } from "../core/dom.js";
import { HttpError, fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { _, formatElapsed } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { poll } from "../core/poll.js";
import { announce, showToast } from "../ui/messages.js";

const TILE = "[data-record-id]";
const lightbox = lazy(() => import("../ui/lightbox.js"));
const actions = lazy(() => import("../records/actions.js"));

export function makeResults(section) {
  section.addEventListener("click", pass);
  section.addEventListener("keydown", (event) => {
    const link = event.target.closest("[data-image-url]");
    if (event.key === "Delete" && link) act(link.closest(TILE).querySelector("[data-command=delete]"));
  });
  section.addEventListener("error", ({ target }) => (target.alt = _("加载失败")), { capture: true });
  sharpen(section);
  if (section.dataset.liveUrl) pollResults(section);
  setInterval(() => tick(section), 1000);
  tick(section);
}

function pass(event) {
  const trigger = event.target.closest("[data-command], [data-image-url]");
  if (!trigger || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (trigger.dataset.command) act(trigger);
  else lightbox().then(({ openLightbox }) => openLightbox(trigger));
}

function act(trigger) {
  actions().then(({ runAction }) => runAction(trigger));
}

/** Load changed cards whenever the server's status has a version that was not loaded. */
function pollResults(section) {
  const list = section.querySelector("[data-result-list]");
  const awaited = new Set();
  let since = Number(section.dataset.since);
  let loaded = null;

  const { now } = poll(load, {
    isPaused: () => false,
    onError(error) {
      loaded = null; // the top bar says that the server does not answer; the next status loads again
      if (!(error instanceof HttpError)) showToast(messageOf(error));
    },
  });

  async function load(memory) {
    const news = await fetchHtmlIfChanged(`${section.dataset.liveUrl}?since=${since}`, memory);
    if (!news) return;
    mergeItems(list, news.html);
    announceEnd(list, awaited);
    since = Number(news.version) || since;
  }

  announceEnd(list, awaited);
  document.addEventListener("status", ({ detail: { version } }) => {
    if (version === loaded) return;
    loaded = version;
    now();
  });
  document.addEventListener("records-created", async ({ detail: ids }) => {
    for (const id of ids) awaited.add(String(id));
    await now();
    document.dispatchEvent(new Event("poll-now"));
    window.scrollTo({ top: matchMedia("(width < 900px)").matches ? section.offsetTop - 56 : 0 });
  });
}

/** What was sent or is under way is `awaited`; once nothing is, how that went. */
function announceEnd(list, awaited) {
  const underWay = list.querySelectorAll('[data-status="queued"], [data-status="running"]');
  for (const { dataset } of underWay) awaited.add(dataset.recordId);
  const ends = [...list.children].filter(({ dataset }) => awaited.has(dataset.recordId)).map(({ dataset }) => dataset.status);
  if (underWay.length || !ends.length) return;
  const failed = ends.filter((status) => status === "failed" || status === "unknown").length;
  awaited.clear();
  if (failed) announce(_("图片都已结束，其中 {failed} 张失败", { failed }));
  else if (ends.includes("success")) announce(_("图片都做好了"));
}

/** Seconds since a picture was begun, from data-started-at; beside it how long the others took. */
function tick(section) {
  for (const place of section.querySelectorAll("[data-elapsed]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(place.dataset.startedAt)) / 1000));
    place.textContent = formatElapsed(seconds);
    expect(section, place, seconds);
  }
}

function expect(section, place, seconds) {
  const took = [...section.querySelectorAll("[data-finished-at]")].slice(0, 5).map(secondsTaken).sort((a, b) => a - b);
  const usual = took[Math.floor(took.length / 2)];
  if (!usual || usual < 3) return;
  place.textContent += _("，一般 {seconds} 秒", { seconds: Math.round(usual) });
  const progress = place.closest(TILE).querySelector("progress");
  progress.max = usual;
  progress.value = Math.min(seconds, usual * 0.95);
}

function secondsTaken({ dataset }) {
  return (Date.parse(dataset.finishedAt) - Date.parse(dataset.startedAt)) / 1000;
}

/** Thumbnails come first; what is on the screen and wider than its thumbnail gets the picture itself. */
function sharpen(section) {
  const eyes = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      eyes.unobserve(target);
      if (target.clientWidth * devicePixelRatio > 340) bring(target);
    }
  });
  const watch = (part) => part.querySelectorAll("img[data-full-src]").forEach((image) => eyes.observe(image));
  section.addEventListener("content-inserted", (event) => watch(event.target));
  watch(section);
}

async function bring(image) {
  const whole = new Image();
  whole.src = image.dataset.fullSrc;
  await whole.decode().catch(() => null);
  if (whole.naturalWidth) image.src = whole.src;
}
