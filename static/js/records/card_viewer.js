// The large view of lists whose items have their own buttons. A host of <image-lightbox>: adds favourite, pick and reject.

import { lightbox } from "../ui/lightbox.js";
import { runCommand, targetOf } from "./actions.js";

export const cardViewer = {
  commands: (item) => ["favourite", "pick", ...(deleteButton(item) ? ["reject"] : [])],

  isOn: (name, { dataset }) => name === "favourite" && "favourite" in dataset,

  async run(name, item) {
    if (name === "reject") {
      lightbox.leave();
      deleteButton(item).click();
      return;
    }
    await runCommand(name, targetOf(item), { record: item });
    if (name === "pick") lightbox.go(1);
  },
};

function deleteButton(item) {
  return item.querySelector('[data-command="delete"]');
}
