// The large view of pictures with a record, the same on every page. A host of <image-lightbox>.

import { runCommand, targetOf } from "./actions.js";
import { runInPlace } from "../ui/in_place.js";
import { lightbox } from "../viewer/lightbox.js";

const COMMANDS = ["keep", "reject", "delete", "again", "edit", "retouch", "deliver", "link"];
const FILLING_FORM = ["again", "edit", "reference"]; // on 单图生成 the form and the results show what these do

export const cardViewer = {
  commands: () => (Number(lightbox.dataset.maxReferences) > 0 ? [...COMMANDS, "reference"] : COMMANDS),

  isOn: (name, { dataset }) => dataset.pick === name,

  async run(name, item) {
    if (name === "delete") return deleteShown(item);
    if (name === "retouch") return (await import("../retouch/dialog.js")).openRetouch(item);
    const run = () => runCommand(name, targetOf(item), { record: item });
    if (!FILLING_FORM.includes(name) || !document.querySelector("[data-studio-form]")) return run();
    lightbox.close();
    return runInPlace(item, run);
  },
};

/** The page has its own way to delete an item that has a button for it. */
async function deleteShown(item) {
  await lightbox.leave(item);
  const button = item.querySelector('[data-command="delete"]');
  if (button) button.click();
  else await runCommand("delete", targetOf(item), { record: item });
}
