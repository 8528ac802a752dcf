// What a recipe is, without the page: roles as they are compared and changed, and what is said of them.

import { _, formatPrice, language } from "../core/i18n.js";

const FIRST = ["role", "prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "file_name", "model", "sample_images"];
const PICTURES = /图|照|photo|image|picture|\bpic/i;
const FILE = /\.(png|jpe?g|webp)$/i;

/** A role with its fields in one order and without those that say nothing, so that equal ones are equal texts. */
export function normalRole(role) {
  const names = [...new Set([...FIRST, ...Object.keys(role).sort()])];
  const says = (name) => name === "role" || name === "prompt" || ![undefined, null, ""].includes(role[name]);
  return Object.fromEntries(names.filter(says).map((name) => [name, role[name] ?? ""]));
}

/** {name, category, roles} of a recipe as the API answers it. */
export const normalRecipe = ({ name = "", category = "", roles }) => ({ name, category, roles: roles.map(normalRole) });

export const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** The columns that hold pictures of a product: by their names, or by what is in them. cellsOf(name): texts. */
export function pictureColumns(names, cellsOf) {
  return names.filter((name) => PICTURES.test(name) || cellsOf(name).some((text) => FILE.test(text.trim())));
}

/** An example for a table with these columns of pictures: a column that it names and the table has not is the likest there is. */
export function fitted(recipe, pictures) {
  const stem = (name) => name.replace(/\s*\d+$/, "");
  const likest = (name) => (pictures.includes(name) ? name : pictures.find((other) => stem(other) === stem(name)) ?? pictures[0] ?? name);
  const fit = (image) => (image.column ? { column: likest(image.column) } : image);
  return { ...recipe, roles: recipe.roles.map((role) => (role.sample_images ? { ...role, sample_images: role.sample_images.map(fit) } : role)) };
}

/** A list with the item at one place moved to another. */
export function moved(list, from, to) {
  const others = list.toSpliced(from, 1);
  return others.toSpliced(to, 0, list[from]);
}

/** A name that no role has: 新角色, 新角色 2. */
export function freshName(roles) {
  const taken = new Set(roles.map(({ role }) => role));
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? _("新角色") : _("新角色 {n}", { n });
    if (!taken.has(name)) return name;
  }
}

/** What is other than in the recipe that the table has: 改了 1 个角色，加了 1 个; "" for nothing. */
export function changeWords(before, now) {
  const [was, is] = [before, now].map(({ roles }) => new Map(roles.map((role) => [role.role, role])));
  const names = [...is.keys()];
  const changed = names.filter((name) => was.has(name) && !isSame(was.get(name), is.get(name))).length;
  const added = names.filter((name) => !was.has(name)).length;
  const gone = [...was.keys()].filter((name) => !is.has(name)).length;
  const parts = [changed && _("改了 {n} 个角色", { n: changed }), added && _("加了 {n} 个角色", { n: added }), gone && _("去掉 {n} 个角色", { n: gone })];
  return parts.filter(Boolean).join(_("，"));
}

/** [what there will be, what is to be made and its price]; changes: see changeWords(). */
export function sumWords({ products, pictures, to_make: toMake, price, problems }, roles, changes = "") {
  const [n, count] = [pictures, products].map((number) => number.toLocaleString(language));
  const isPlain = pictures === products * roles;
  const sum = isPlain ? _("{count} 个产品 × {roles} 个角色 = {n} 张", { count, roles, n }) : _("{count} 个产品 · {roles} 个角色 · {n} 张", { count, roles, n });
  const making = toMake > 0 ? _("要做 {n} 张 {price}", { n: toMake.toLocaleString(language), price: formatPrice(price) }) : problems.length > 0 ? _("先改好上面的") : _("没有要做的");
  return [sum, [changes, making].filter(Boolean).join(" · ")];
}

/** Problems of an answer as lines: [{roles: names, field: of a role, words, error: without the roles, products: row numbers, isAll}]; what several roles share is one. */
export function problemLines({ problems, products: total }) {
  const groups = Object.groupBy(problems, ({ field, error, products }) => JSON.stringify([field, error, products]));
  return Object.values(groups).map((group) => {
    const [{ field, error, products }] = group;
    const roles = group.map(({ role }) => role);
    const named = roles.length > 3 ? _("{name}等 {n} 个角色", { name: roles[0], n: roles.length }) : roles.join(_("、"));
    return { roles, field: field === "filename" ? "file_name" : field, words: named + _("：") + error, error, products, isAll: products.length === total };
  });
}

/** Where the server found a mistake: "roles.2.prompt" -> {at: 1, field: "prompt"}; null elsewhere. */
export function placeOf(field) {
  const [, number, name] = /^roles\.(\d+)\.(\w+)/.exec(field) ?? [];
  return number ? { at: number - 1, field: name === "filename" ? "file_name" : name } : null;
}
