// Favourite, keep and reject in the large view of pages without a host for it.

import { call } from "../api.js";

/** url: where favourites are set. go(step), leave(): to the next picture, and to the one that takes the place of this. */
export function marks(url, { go, leave }) {
  async function setFavourite(record, favourite) {
    await call("POST", url, { ids: [Number(record.dataset.recordId)], favourite });
    record.toggleAttribute("data-favourite", favourite);
  }

  const actions = {
    favourite: (record) => setFavourite(record, !("favourite" in record.dataset)),
    async pick(record) {
      if (!("favourite" in record.dataset)) await setFavourite(record, true);
      go(1);
    },
    reject(record) {
      const button = record.querySelector('[data-action="delete"]');
      leave();
      button.click();
    },
  };

  return {
    offers: (name, record) => name in actions && (name !== "reject" || Boolean(record.querySelector('[data-action="delete"]'))),
    state: (record) => new Set("favourite" in record.dataset ? ["favourite"] : []),
    perform: (name, record) => actions[name](record),
  };
}
