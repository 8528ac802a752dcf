// The chips that open: one at a time, shut by Esc or a click elsewhere; batches are fetched when looked for.

import { lookAtFragment } from "../api.js";
import { fill } from "../fragments.js";

/** Begins when the first one was opened. */
export function filters(page) {
  const opened = () => page.querySelector("details.filter-more[open]");

  document.addEventListener("pointerdown", (event) => {
    if (opened() && !opened().contains(event.target)) opened().open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened()) return;
    const { firstElementChild: summary } = opened();
    opened().open = false;
    summary.focus();
  });
  page.addEventListener("toggle", ({ target }) => offer(page, target), { capture: true });
  addEventListener("resize", () => opened() && keepInSight(opened()));
  if (opened()) offer(page, opened());
}

async function offer(page, chip) {
  if (!chip.matches("details.filter-more[open]")) return;
  keepInSight(chip);
  if (chip.dataset.filterMore !== "batch_id") return;
  const place = chip.querySelector("[data-batch-choices]");
  try {
    const news = await lookAtFragment(page.dataset.batchesUrl + location.search, {});
    fill(place, news.html);
  } catch (failure) {
    place.textContent = failure.message;
  }
  keepInSight(chip);
}

/** What it opens ends before the window does. */
function keepInSight(chip) {
  const panel = chip.querySelector(".filter-panel");
  panel.style.translate = "none";
  const beyond = panel.getBoundingClientRect().right + 8 - document.documentElement.clientWidth;
  panel.style.translate = beyond > 0 ? `${-beyond}px` : "none";
}
