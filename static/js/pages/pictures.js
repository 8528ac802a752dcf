// 看图: wires its parts together.

import { openCopy } from "../table/copy_dialog.js";
import { bindEdits } from "../pictures/another.js";
import { bindChoices } from "../pictures/choice.js";
import { followBatch } from "../pictures/follow.js";
import { bindKeys } from "../pictures/keyboard.js";
import { bindRelease } from "../pictures/release.js";
import { cardViewer } from "../records/card_viewer.js";
import { removeMissingRecords } from "../ui/image_fallback.js";
import { lightbox } from "../ui/lightbox.js";
import "../ui/picture_size.js";

const page = document.querySelector("[data-pictures-page]");
const batch = followBatch(page, {
  onChange() {
    release.update();
    if (lightbox.isOpen && lightbox.item.isConnected) lightbox.showPlace();
  },
});
const choices = bindChoices(page, { onSent: batch.now });
const edits = bindEdits(page);
const release = bindRelease(page, { onSent: (hasNewRows) => (hasNewRows ? batch.reload() : batch.now()) });

bindKeys(page, { choose: choices.choose, edit: edits.open });
removeMissingRecords(page);
lightbox.host = {
  ...cardViewer,
  async run(name, picture) {
    await cardViewer.run(name, picture);
    batch.now();
  },
};
document.addEventListener("poll-now", batch.now);
document.addEventListener("records-resolved", batch.now);
page.querySelector("[data-copy-batch]")?.addEventListener("click", () => {
  const { batchId, batchesUrl, pageUrl, models } = page.dataset;
  openCopy({ batches: batchesUrl, page: pageUrl }, { id: batchId, models: JSON.parse(models) }, page.querySelector("h1").textContent);
});
page.addEventListener("click", ({ target }) => {
  const button = target.closest('[data-command="expand"]');
  if (!button) return;
  const isExpanded = button.closest("[data-row]").classList.toggle("is-expanded");
  button.setAttribute("aria-expanded", String(isExpanded));
});
page.dataset.ready = "";
