// Input methods: while letters become words the keys belong to them.

/** Whether this key, or this change of a field, is part of a composition; 229 is what Safari says of the last key. */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
