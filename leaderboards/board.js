"use strict";
// Shared by all pages: elements, shared objects of embedded data, and state in the address.

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function draw(tag, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function embedded(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

// Undoes ``interned`` of template.py: {"$": n} stands for the n-th shared object.
function expand(node, shared) {
  if (Array.isArray(node)) return node.map((child) => expand(child, shared));
  if (node === null || typeof node !== "object") return node;
  if ("$" in node) return expand(shared[node.$], shared);
  return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, expand(child, shared)]));
}

// What a reader chose stands behind the # of the address, so that a link shows the same. A plain #anchor is none of it.
const address = {
  read() {
    const text = location.hash.slice(1);
    return new URLSearchParams(text.includes("=") ? text : "");
  },
  write(change) {
    const chosen = this.read();
    change(chosen);
    const text = chosen.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  },
  set(name, value) {
    this.write((chosen) => (value ? chosen.set(name, value) : chosen.delete(name)));
  },
  toggle(name, value, on) {
    this.write((chosen) => {
      const others = chosen.getAll(name).filter((other) => other !== value);
      chosen.delete(name);
      for (const other of on ? [...others, value] : others) chosen.append(name, other);
    });
  },
};

// Undoes ``packed`` of numbers.py: values, null where one is missing.
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUE_OF = new Map([...DIGITS].map((digit, value) => [digit, value]));

function unpack({ low, step, digits, text }) {
  const values = [], scale = Math.round(1 / step);
  for (let at = 0; at < text.length; at += digits) {
    let number = 0;
    for (const digit of text.slice(at, at + digits)) number = number * DIGITS.length + VALUE_OF.get(digit);
    const multiple = number - 1 + low;
    values.push(number === 0 ? null : scale > 1 ? multiple / scale : multiple * step);
  }
  return values;
}

// Score against cost: marks that open their row.
const chart = document.getElementById("chart");
const everyPoint = embedded("points");

function ticks(low, high) {
  const wide = high / low > 1000 ? [1] : high / low > 30 ? [1, 3] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const step of wide) {
      const tick = step * 10 ** power;
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}

function short(value, across) {
  if (across === "seconds") return value >= 3600 ? `${+(value / 3600).toPrecision(3)} h` : value >= 600 ? `${+(value / 60).toPrecision(3)} min` : `${+value.toPrecision(3)} s`;
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (value >= size) return `${+(value / size).toPrecision(3)}${unit}`;
  return String(+value.toPrecision(3));
}

// Round values between the ends: four to eight of them.
function roundTicks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
  const found = [];
  for (let count = Math.ceil(low / step); count * step <= high; count++) found.push(count * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// Of points by cost, those that no cheaper one equals or beats: the Pareto front.
function front(points, sign) {
  const stairs = [];
  for (const point of points) if (!stairs.length || sign * point[2] < sign * stairs.at(-1)[2]) stairs.push(point);
  return stairs;
}

// A name beside each mark that has room for it: to its right, its left, above or below.
function placeNames(named, marks, within) {
  const taken = marks.map(({ x, y }) => ({ left: x - 12, right: x + 12, top: y - 12, bottom: y + 12 }));
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const placed = [];
  for (const { text, x, y } of named) {
    const wide = 9.6 * text.length;
    const middle = Math.max(within.left, Math.min(x - wide / 2, within.right - wide));
    for (const [left, base] of [[x + 18, y + 6], [x - 18 - wide, y + 6], [middle, y - 20], [middle, y + 32]]) {
      const box = { left, right: left + wide, top: base - 15, bottom: base + 4 };
      if (box.left < within.left || box.right > within.right || taken.some((other) => meet(box, other))) continue;
      taken.push(box);
      placed.push({ text, x: left, y: base });
      break;
    }
  }
  return placed;
}

// One listener for all marks: there may be hundreds.
function listen(svg, marks, said) {
  let active = null;
  const point_at = (event) => {
    const mark = event.target.closest("g[role=button]");
    if (!mark || mark === active) return;
    if (active) active.classList.remove("active");
    active = mark;
    active.classList.add("active");
    said.textContent = active.getAttribute("aria-label");
  };
  svg.addEventListener("pointerover", point_at);
  svg.addEventListener("focusin", point_at);
  svg.addEventListener("click", (event) => {
    const mark = event.target.closest("g[role=button]");
    if (mark) show(mark.dataset.row);
  });
  svg.addEventListener("keydown", (event) => {
    const mark = event.target.closest("g[role=button]"), at = marks.indexOf(mark);
    if (!mark) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) {
      const next = marks[(at + step + marks.length) % marks.length];
      mark.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") show(mark.dataset.row);
    else return;
    event.preventDefault();
  });
}

function scatter(across) {
  const cost = across === "seconds" ? 6 : 5, digits = Number(chart.dataset.digits);
  const sign = chart.dataset.higher === "1" ? -1 : 1;
  const points = everyPoint.filter((point) => point[cost] > 0 && !rowOf.get(point[0]).hidden).sort((a, b) => a[cost] - b[cost] || (a[2] - b[2]) * sign);
  chart.replaceChildren();
  if (!points.length) {
    chart.append(make("p", "No row that is shown has this cost."));
    return;
  }
  const costs = points.map((point) => point[cost]);
  const ends = points.flatMap((point) => [point[2], point[3] ?? point[2], point[4] ?? point[2]]);
  const [left, right, top, bottom] = [70, 1260, 20, 640];
  const low = Math.log10(Math.min(...costs)) - 0.05, high = Math.log10(Math.max(...costs)) + 0.05;
  const floor = Math.min(...ends), span = (Math.max(...ends) - floor) || 1;
  const x = (value) => left + ((right - left) * (Math.log10(value) - low)) / (high - low || 1);
  const y = (value) => bottom - ((bottom - top) * (value - floor)) / span;
  const label = `${chart.dataset.metric} against ${across === "seconds" ? "training time" : "trainable parameters"}, ${points.length} rows`;
  const svg = draw("svg", { viewBox: "0 0 1280 720", role: "group", "aria-label": label });
  const text = (at, size = 20) => ({ ...at, style: `font-size:${size}px` });
  for (const tick of ticks(10 ** low, 10 ** high)) {
    svg.append(draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: bottom }));
    svg.append(draw("text", text({ x: x(tick), y: bottom + 26, "text-anchor": "middle" }), short(tick, across)));
  }
  const upwards = roundTicks(floor, floor + span);
  for (const value of upwards.found) {
    svg.append(draw("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }));
    svg.append(draw("text", text({ x: left - 8, y: y(value) + 7, "text-anchor": "end" }), value.toFixed(upwards.digits)));
  }
  const better = chart.dataset.higher === "1" ? "higher is better" : "lower is better";
  svg.append(draw("text", text({ x: (left + right) / 2, y: 706, "text-anchor": "middle" }), `${across === "seconds" ? "training of a seed" : "trainable parameters"}; up: ${chart.dataset.metric} (${better})`));
  const said = make("output", "", { "aria-live": "polite" });
  const marks = points.map((point, at) => {
    const [name, group, mean, from, to] = point;
    const words = `${point[8]}: ${chart.dataset.metric} ${mean.toFixed(digits)}${from === null ? "" : ` [${from.toFixed(digits)}, ${to.toFixed(digits)}]`}, ${short(point[cost], across)}${group === "models" ? "" : `, ${group}`}`;
    const mark = draw("g", { class: group, tabindex: at ? "-1" : "0", role: "button", "aria-label": words });
    if (from !== null) mark.append(draw("line", { class: "whisker", x1: x(point[cost]), x2: x(point[cost]), y1: y(from), y2: y(to) }));
    mark.append(draw("circle", { class: "mark", cx: x(point[cost]), cy: y(mean), r: 10 }));
    mark.dataset.row = name;
    return mark;
  });
  const stairs = front(points.filter((point) => point[1] === "models"), sign);
  const corners = stairs.map((point) => `H${x(point[cost])}V${y(point[2])}`).join("");
  if (stairs.length) svg.append(draw("path", { class: "front", d: `M${x(stairs[0][cost])},${y(stairs[0][2])}${corners}H${right}` }));
  svg.append(...marks);
  listen(svg, marks, said);
  const best = points.filter((point) => point[1] !== "ablations").sort((a, b) => stairs.includes(b) - stairs.includes(a) || (a[2] - b[2]) * sign);
  const named = best.map((point) => ({ text: point[7], x: x(point[cost]), y: y(point[2]) }));
  const centres = points.map((point) => ({ x: x(point[cost]), y: y(point[2]) }));
  for (const { text: words, ...at } of placeNames(named, centres, { left, right })) {
    svg.append(draw("text", { ...text(at, 17), class: "named", "aria-hidden": "true" }, words));
  }
  chart.append(svg, said);
}

// Drawn when a reader comes near, and again when other rows are shown.
let chartIsNear = false;

function scatterAgain() {
  if (chart && chartIsNear) scatter(document.querySelector("input[name=across]:checked").value);
}

if (chart) {
  for (const box of document.querySelectorAll("input[name=across]")) {
    box.addEventListener("change", () => {
      scatter(box.value);
      address.set("across", box.value === "seconds" ? "" : box.value);
    });
  }
  const across = address.read().get("across") === "parameters" ? "parameters" : "seconds";
  document.querySelector(`input[name=across][value=${across}]`).checked = true;
  const coming = new IntersectionObserver((seen) => {
    if (!seen[0].isIntersecting) return;
    coming.disconnect();
    chartIsNear = true;
    scatterAgain();
  }, { rootMargin: "25%" });
  coming.observe(chart);
}

// What a row opens. The data are read when the first row is opened.
let details = null;

function detailsOf(name) {
  details ??= embedded("details");
  const row = expand(details.value[name], details.shared);
  return { ...row, command: row.command.map((at) => details.phrases[at]) };
}

function curves({ epochs, ...scores }, metric) {
  const scoreOfEpoch = unpack(scores);
  let read = 0;
  const drawn = epochs.map((count) => scoreOfEpoch.slice(read, (read += count))).filter((curve) => curve.length > 1);
  const values = drawn.flat().filter((v) => v !== null);
  if (!values.length) return null;
  const low = Math.min(...values), high = Math.max(...values), longest = Math.max(...drawn.map((curve) => curve.length));
  const label = `validation ${metric} by epoch, from ${low} to ${high}, up to ${longest} epochs`;
  const svg = draw("svg", { viewBox: "0 0 360 150", class: "curves", role: "img", "aria-label": label });
  for (const [x, y, anchor, text] of [[40, 14, "end", high], [40, 129, "end", low], [46, 146, "start", "epoch 1"], [350, 146, "end", longest]]) {
    svg.append(draw("text", { x, y, "text-anchor": anchor }, text));
  }
  const point = (v, i) => `${(46 + (304 * i) / (longest - 1)).toFixed(1)},${(125 - (115 * (v - low)) / (high - low || 1)).toFixed(1)}`;
  for (const curve of drawn) {
    const points = curve.map((v, i) => (v === null ? null : point(v, i))).filter(Boolean).join(" ");
    svg.append(draw("polyline", { points, fill: "none", stroke: "currentColor", "stroke-opacity": ".6" }));
  }
  return svg;
}

function runsTable(runs, metric) {
  const keys = Object.keys(runs);
  const titles = { id: "run", valid: `valid ${metric}`, test: `test ${metric}`, best: "best epoch" };
  const runsOf = make("table"), head = make("tr");
  for (const key of keys) head.append(make("th", titles[key] || key, { scope: "col" }));
  runsOf.createTHead().append(head);
  const lines = runsOf.createTBody();
  runs.id.forEach((_, at) => {
    const line = make("tr");
    for (const key of keys) line.append(make("td", runs[key][at] ?? "–"));
    lines.append(line);
  });
  const box = make("div", null, { class: "runs", tabindex: "0", role: "region", "aria-label": "Runs" });
  box.append(runsOf);
  return box;
}

function copyButton(text, from) {
  const copy = make("button", "Copy", { type: "button", class: "copy" }), status = make("span", "", { role: "status" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = " Copied.";
    } catch {
      getSelection().selectAllChildren(from);
      status.textContent = " Selected; your browser does not let a page copy.";
    }
  });
  return [copy, status];
}

function about(links) {
  const line = make("p");
  for (const [name, value] of Object.entries(links)) {
    const arxiv = value.match(/arXiv[ :](\d{4}\.\d{4,5})/);
    const href = /^https?:\/\//.test(value) ? value : arxiv ? `https://arxiv.org/abs/${arxiv[1]}` : "";
    line.append(line.childNodes.length ? " · " : "", `${name}: `, href ? make("a", value, { href, rel: "noreferrer" }) : value);
  }
  return line;
}

function panel(name) {
  const row = detailsOf(name);
  const inner = make("div", null, { class: "inner" });
  const add = (title, ...parts) => inner.append(make("h2", title), ...parts);
  const json = (value) => make("pre", JSON.stringify(value, null, 1), { tabindex: "0" });
  if (Object.keys(row.about).length) inner.append(about(row.about));
  if (row.caveat) inner.append(make("p", row.caveat));
  const command = make("pre", null, { tabindex: "0" });
  command.append(...row.command.flatMap((phrase) => [make("span", phrase, { class: "phrase" }), " "]));
  add("Make these runs again", command, ...copyButton(row.command.join(" "), command));
  add(`Runs (${row.runs.id.length})`, runsTable(row.runs, row.metric));
  const drawn = curves(row.curves, row.metric);
  if (drawn) add(`Validation ${row.metric} by epoch`, drawn);
  if (row.test) add("Paired test", make("p", row.test));
  if (row.tuned) add("Tuning", json(row.tuned));
  add("Spec", json(row.spec));
  add("Provenance", json(row.provenance));
  return inner;
}

// The table of a board: filter, fold, sort, open, each kept in the address.
const table = document.getElementById("board"), body = table.tBodies[0];
const rows = [...body.rows];
const rowOf = new Map(rows.map((row) => [row.dataset.name, row]));
// What the filter looks at: the name, and the settings as they are shown.
const texts = new Map(rows.map((row) => [row, `${row.dataset.name} ${row.cells[0].textContent}`.toLowerCase()]));
const boxes = [...document.querySelectorAll("input[name=group]")];
const search = document.getElementById("filter");
const further = document.getElementById("further");
// Of a long board so many rows are laid out; further ones when the reader comes to the last of them.
const STEP = 100;
let laidOut = STEP;

function detailOf(row) {
  const next = row.nextElementSibling;
  return next && next.classList.contains("detail") ? next : null;
}

// --- filter and fold

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const unfolded = new Set(address.read().getAll("unfold"));
  let shown = 0;
  for (const row of rows) {
    const name = texts.get(row), { under, group } = row.dataset;
    const unfolds = under !== undefined && (unfolded.has(under) || words.length > 0);
    row.hidden = !(groups.has(group) || unfolds) || !words.every((word) => name.includes(word));
    const detail = detailOf(row), fold = row.querySelector("button.fold");
    if (detail) detail.hidden = row.hidden;
    if (fold) fold.setAttribute("aria-expanded", String(groups.has("ablations") || unfolded.has(row.dataset.name)));
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} of ${rows.length} rows`;
  layOut();
  scatterAgain();
}

function layOut() {
  let count = 0;
  for (const line of body.rows) {
    if (line.dataset.name !== undefined) count += !line.hidden;
    line.classList.toggle("later", count > laidOut);
  }
  further.parentElement.hidden = count <= laidOut;
  further.textContent = `Show ${Math.min(STEP, count - laidOut)} more rows`;
}

function layOutMore() {
  laidOut += STEP;
  layOut();
}

function foldUnder(button) {
  const name = button.closest("tr").dataset.name;
  address.toggle("unfold", name, button.getAttribute("aria-expanded") !== "true");
  const box = boxes.find((box) => box.value === "ablations");
  if (box && box.checked) {
    box.checked = false;
    address.toggle("group", "ablations", false);
  }
  filter();
}

// --- sort: the best first where a column has a direction; what has no value comes last; ablations stay under their model

function sort(button, down) {
  for (const heading of table.tHead.rows[0].cells) heading.setAttribute("aria-sort", "none");
  button.closest("th").setAttribute("aria-sort", down ? "descending" : "ascending");
  const column = button.dataset.column;
  const value = (row) => {
    if (column === undefined) return row.dataset.name.toLowerCase();
    const text = row.cells[Number(column)].dataset.v;
    return text === undefined ? null : Number(text);
  };
  const keyed = rows.map((row) => [value(row), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
  });
  const folded = new Map();
  for (const [, row] of keyed) {
    const base = row.dataset.under ?? "";
    if (!folded.has(base)) folded.set(base, []);
    folded.get(base).push(row);
  }
  const whole = (row) => [row, detailOf(row)].filter(Boolean);
  body.append(...(folded.get("") ?? []).flatMap((row) => [row, ...(folded.get(row.dataset.name) ?? [])]).flatMap(whole));
}

function sortAgain(button) {
  const now = button.closest("th").getAttribute("aria-sort");
  const down = now === "none" ? button.dataset.first === "descending" : now === "ascending";
  sort(button, down);
  layOut();
  address.set("sort", `${down ? "-" : ""}${button.dataset.sort}`);
}

// --- open a row

function setOpen(row, open) {
  const button = row.querySelector("button.open");
  if (!button || (button.getAttribute("aria-expanded") === "true") === open) return;
  button.setAttribute("aria-expanded", String(open));
  if (!open) {
    detailOf(row).remove();
    return;
  }
  const detail = make("tr", null, { class: "detail" });
  const cell = make("td", null, { colspan: table.tHead.rows[0].cells.length });
  cell.append(panel(row.dataset.name));
  detail.append(cell);
  row.after(detail);
}

function toggle(button) {
  const row = button.closest("tr"), open = button.getAttribute("aria-expanded") !== "true";
  setOpen(row, open);
  address.toggle("row", row.dataset.name, open);
}

function show(name) {
  const row = rowOf.get(name);
  setOpen(row, true);
  address.toggle("row", name, true);
  if (row.hidden) {
    search.value = "";
    address.set("filter", "");
    address.toggle(row.dataset.under ? "unfold" : "group", row.dataset.under ?? row.dataset.group, true);
    restoreBoxes();
    filter();
  }
  reach(row);
  row.scrollIntoView({ block: "center" });
  row.querySelector("button.open").focus();
}

// Every row up to this one is laid out.
function reach(row) {
  laidOut = Math.max(laidOut, [...body.rows].indexOf(row) + 1);
  layOut();
}

// --- what the address says

function restoreBoxes() {
  const changed = new Set(address.read().getAll("group"));
  for (const box of boxes) box.checked = box.defaultChecked !== changed.has(box.value);
}

function restore() {
  const chosen = address.read();
  restoreBoxes();
  search.value = chosen.get("filter") ?? "";
  const order = chosen.get("sort") ?? "";
  const button = table.querySelector(`button[data-sort="${CSS.escape(order.replace(/^-/, ""))}"]`);
  if (button) sort(button, order.startsWith("-"));
  const open = new Set(chosen.getAll("row"));
  for (const row of rows) setOpen(row, open.has(row.dataset.name));
  filter();
  const first = rowOf.get(chosen.get("row"));
  if (first && !first.hidden) {
    reach(first);
    first.scrollIntoView({ block: "start" });
  }
}

table.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.sort !== undefined) sortAgain(button);
  else if (button.classList.contains("open")) toggle(button);
  else if (button.classList.contains("fold")) foldUnder(button);
});
search.addEventListener("input", () => {
  address.set("filter", search.value);
  filter();
});
for (const box of boxes) {
  box.addEventListener("change", () => {
    address.toggle("group", box.value, box.checked !== box.defaultChecked);
    filter();
  });
}
further.addEventListener("click", layOutMore);
new IntersectionObserver((seen) => seen[0].isIntersecting && layOutMore(), { root: table.parentElement, rootMargin: "600px" }).observe(further);
addEventListener("beforeprint", () => {
  laidOut = rows.length;
  layOut();
});
addEventListener("hashchange", restore);
restore();
document.documentElement.classList.remove("restoring");
