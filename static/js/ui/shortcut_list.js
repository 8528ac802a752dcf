// The list of shortcuts, and the switch for those of single characters.

import { loadDialog } from "./late_dialog.js";
import { SINGLE_KEYS } from "../core/keyboard.js";
import { loadItem, saveItem } from "../core/storage.js";

export async function openShortcutList({ takeTyped }) {
  const dialog = await loadDialog("shortcuts", document.body.dataset.shortcutsUrl);
  const checkbox = dialog.querySelector("[data-single-keys]");
  checkbox.checked = loadItem(SINGLE_KEYS) !== false;
  checkbox.onchange = () => saveItem(SINGLE_KEYS, checkbox.checked);
  if (takeTyped() !== null && !dialog.open) dialog.showModal();
}
