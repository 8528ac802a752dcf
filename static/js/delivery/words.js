// Words of the dialog 交付: what a profile makes, and what is wrong with rows and files, by kind.

import { _, language } from "../core/i18n.js";

const MB = 1_000_000;

// What is said of files that fail a rule, where its name and what it asks for do not say it.
const FAILED = {
  white_ground: (of) => _("{n} 张不能当白底图", of), name: (of) => _("{n} 个文件名{seen}", of), padded: (of) => _("{n} 张{seen}", of), edge: (of) => _("{n} 张的商品碰到了边", of),
  smaller: (of) => _("{n} 张的原图不到 {wanted}，按原图的大小做，不放大", of), enlarged: (of) => _("{n} 张的原图不够大，要放大", of),
};

// What is not as usual, and no failure.
const HINTS = { bytes: (of) => _("{n} 张的文件比平台写的小（{wanted}），一般没有关系", of), padded: (of) => _("{n} 张补的边看得出来", of) };

/** 1.4 MB, 480 KB */
export function sizeWords(bytes) {
  if (bytes < MB) return `${Math.max(1, Math.round(bytes / 1000)).toLocaleString(language)} KB`;
  return `${(bytes / MB).toLocaleString(language, { maximumFractionDigits: 1 })} MB`;
}

/** 1440×1440 · JPEG · ≤ 500 KB */
export function profileWords({ width, height, fit, format, max_kb: most }) {
  const size = fit === "original" ? _("原尺寸") : [width || _("不限"), height || _("不限")].join("×");
  return [size, format === "original" ? _("原格式") : format.toUpperCase(), most ? `≤ ${sizeWords(most * 1000)}` : ""].filter(Boolean).join(" · ");
}

/** Where the sizes are from: never that a platform accepts what has them. */
export function sourceWords({ source = "", checked_on: day }) {
  return source && day ? _("尺寸来源：{source}（{day}）。平台会改，以后台为准", { source, day }) : source;
}

/** Problems of the same kind together: [{kind, words, rows: [{row, error}]}]; pick: "keep" or "all". */
export function problemGroups(problems, pick) {
  const words = {
    pick: (of) => (pick === "keep" ? _("{n} 行没有留下的图", of) : _("{n} 行没有图", of)), same_name: (of) => _("{n} 行重名", of),
    mark: (of) => _("{n} 行的图有看得见的 AI 标识", of),
    empty: (of) => _("{n} 行缺名字要用的格子", of), column: ({ error }) => error, name: (of) => _("{n} 行的名字不能用", of),
  };
  const groups = Object.values(Object.groupBy(problems, ({ kind, error }) => (kind === "column" ? error : kind)));
  return groups.map((rows) => [rows, rows[0]]).map(([rows, { kind, error }]) => ({ kind, words: words[kind]({ n: new Set(rows.map(({ row }) => row)).size, error }), rows }));
}

/** What files fail, by rule, or may fail, and what was checked: {failed: [{key, rule, isHint, words, files}], passed: names, open: names of what was not checked}; names: of rules. */
export function checkGroups(files, names) {
  const found = files.flatMap((file) => (file.checks ?? []).map((check) => ({ ...check, file })));
  const result = { failed: [], passed: [], open: [] };
  const broken = files.filter(({ error }) => error).map((file) => ({ ...file, seen: file.error }));
  if (broken.length > 0) result.failed.push({ key: "", rule: "", words: _("{n} 张做不出来，没有放进去", { n: broken.length }), files: broken });
  for (const [rule, checks] of Object.entries(Object.groupBy(found, (check) => check.rule))) {
    const usual = FAILED[rule] ?? ((of) => _("{n} 张的{name}不对，要 {wanted}", of));
    const alike = Object.groupBy(checks, ({ result: kind, seen }) => (rule === "padded" && kind === "fail" ? seen : kind)); // how much of the frame is the original's
    if (!checks.some(({ result: kind }) => kind === "fail" || kind === "hint")) result[alike.pass ? "passed" : "open"].push(names[rule]);
    for (const [key, of] of Object.entries(alike)) {
      const { result: kind, seen, wanted } = of[0];
      const words = { fail: usual, hint: HINTS[rule] }[kind];
      if (words) result.failed.push({ key: rule + key, rule, isHint: kind === "hint", words: words({ n: of.length, seen, wanted, name: names[rule] }), files: of.map((check) => ({ ...check.file, seen: check.seen })) });
    }
  }
  return result;
}

/** [how many files, what else is to be known of them]; groups: of problems and checks. */
export function sumWords({ plan, job, since, isPlanning }, { problems, failed }) {
  const number = (n) => n.toLocaleString(language);
  const join = (notes) => notes.filter(Boolean).map((words) => ` · ${words}`).join("");
  if (!job && !plan) return [isPlanning ? _("正在数…") : "", ""];
  if (!job) {
    const n = number(plan.files.length);
    return [since ? _("改过的 {n} 个文件", { n }) : _("{n} 个文件", { n }), join(problems.map(({ words }) => words))];
  }
  const { made, failed: broken, bytes, files } = job.total;
  const wrong = failed.filter(({ rule, isHint }) => rule && !isHint).reduce((n, group) => n + group.files.length, 0);
  return [
    job.isDone ? _("做好了 {n} 个文件", { n: number(made) }) : _("{made} / {files} 个文件", { made: number(made + broken), files: number(files) }),
    join([job.isDone || job.isRunning ? "" : _("停下了"), bytes && sizeWords(bytes), broken && _("{n} 张做不出来", { n: broken }), wrong && _("{n} 项检查没过", { n: wrong }), ...problems.map(({ words }) => words)]),
  ];
}
