// Follows many batches by one request: rows that were generated singly each have a batch of their own.

import { Failure, look } from "../api.js";
import { makeRecordBook } from "./records.js";

const RUNNING = 1000;
const AGAIN = 2000;
const MOST = 300; // in one address, as the server has it

/** url: of the batches. onNews() is called after each change. Returns {add(id), of(id) -> the book of its records, null while
    they are not known, whenKnown(): resolves once all were asked for}. */
export function followMany(url, onNews) {
  const known = new Map(); // batch id -> its book of records
  const versions = new Map(); // of those that are still asked for: batch id -> version up to which it is known
  const memory = {};
  let timer = 0;
  let asking = false;
  let waiting = []; // for the end of the beat that asks for all

  function add(id) {
    versions.set(id, 0);
    clearTimeout(timer);
    timer = setTimeout(beat); // after all that are added at once
  }

  async function beat() {
    clearTimeout(timer);
    if (asking || document.hidden || versions.size === 0) return;
    asking = true;
    const told = waiting;
    waiting = [];
    const pause = await askForAll().then(() => RUNNING, pauseAfter);
    asking = false;
    for (const resolve of told) resolve();
    timer = setTimeout(beat, pause);
  }

  async function askForAll() {
    const ids = [...versions.keys()];
    for (let at = 0; at < ids.length; at += MOST) await ask(ids.slice(at, at + MOST));
  }

  async function ask(ids) {
    const since = Math.min(...ids.map((id) => versions.get(id)));
    const news = await look(`${url}/changed?ids=${ids.join()}&since=${since}`, memory);
    if (!news) return;
    for (const id of ids) if (!known.has(id)) known.set(id, makeRecordBook());
    for (const record of news.records) known.get(record.batch_id).add([record]);
    for (const id of ids) {
      const isUnderWay = of(id).all().some(({ status }) => status === "queued" || status === "running");
      if (isUnderWay) versions.set(id, news.version);
      else versions.delete(id);
    }
    onNews();
  }

  const of = (id) => known.get(id) ?? null;

  function whenKnown() {
    if ([...versions.keys()].every((id) => known.has(id))) return Promise.resolve();
    const told = new Promise((resolve) => { waiting.push(resolve); });
    beat();
    return told;
  }

  document.addEventListener("visibilitychange", beat);
  return { add, of, whenKnown };
}

function pauseAfter(failure) {
  if (!(failure instanceof Failure)) reportError(failure);
  return AGAIN;
}
