// The large view of lists whose items have their own buttons. A host of <image-lightbox>: adds the choice, the favourite and
// the deletion, and for the pictures of a batch, which have data-again-url, one more of the row.

import { lightbox } from "../ui/lightbox.js";
import { runCommand, targetOf } from "./actions.js";

export const cardViewer = {
  commands: ({ dataset }) => ["keep", "reject", "favourite", "delete", ...("againUrl" in dataset ? ["again", "records"] : [])],

  isOn: (name, { dataset }) => (name === "favourite" ? "favourite" in dataset : dataset.pick === name),

  run: (name, item) => (name === "delete" ? deleteShown(item) : runCommand(name, targetOf(item), { record: item })),
};

/** Show the next image, or the previous one, or none, and delete this one. */
async function deleteShown(item) {
  for (const step of [1, -1]) if (lightbox.item === item) await lightbox.go(step);
  if (lightbox.item === item) lightbox.close();
  const button = item.querySelector('[data-command="delete"]');
  if (button) button.click();
  else await runCommand("delete", targetOf(item), { record: item });
}
