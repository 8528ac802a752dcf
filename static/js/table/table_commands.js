// What is done with the open table as a whole.

import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { postOnce } from "../core/orders.js";
import { showError } from "../ui/toast.js";

/** batch: see pages/batch.js. Returns {rename(), copyTable(), deleteTable()}. */
export function makeTableCommands({ store, urls, dialog }) {
  return {
    rename() {
      const form = dialog("rename");
      const field = form.querySelector("[data-rename-name]");
      field.value = store.name;
      form.querySelector("[data-rename-form]").onsubmit = () => attempt(() => store.put({ name: field.value }), showError);
      form.showModal();
      field.select();
    },
    copyTable: () => attempt(async () => {
      const id = await store.ensureSaved();
      const { table } = await postOnce(`${urls.tables}/${id}/copy`);
      location.assign(urls.tablePage(table.id));
    }, showError),
    deleteTable: () => attempt(async () => {
      const id = await store.ensureSaved();
      await requestJson("DELETE", `${urls.tables}/${id}`);
      location.assign(urls.tablePage(id)); // which says so, and offers to bring it back
    }, showError),
  };
}
