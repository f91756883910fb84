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

// The reader's own table of labels: rows are found by their id, whatever the table calls it.

// Fields of csv or tsv, quotes as RFC 4180 has them.
function readTable(text) {
  const separator = text.slice(0, text.indexOf("\n") + 1 || undefined).includes("\t") ? "\t" : ",";
  const lines = [];
  let line = [], field = "", quoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') field += sign;
      else if (text[at + 1] === '"') field += text[++at];
      else quoted = false;
    } else if (sign === '"' && field === "") quoted = true;
    else if (sign === separator || sign === "\n") {
      line.push(field.replace(/\r$/, ""));
      field = "";
      if (sign === "\n") {
        lines.push(line);
        line = [];
      }
    } else field += sign;
  }
  if (field || line.length) lines.push([...line, field]);
  return lines;
}

// {columns, of: id -> fields}: the column (or video and clip column) whose values name most of the rows.
function findRows(lines, ids) {
  const [head, ...rest] = lines, wanted = new Set(ids);
  const video = head.indexOf("video_id"), clip = head.indexOf("clip_id");
  const keys = head.map((_, column) => (row) => row[column]);
  if (video >= 0 && clip >= 0) for (const between of ["_", "$_$", "/"]) keys.push((row) => `${row[video]}${between}${row[clip]}`);
  let best = new Map();
  for (const key of keys) {
    const found = new Map(rest.filter((row) => wanted.has(key(row))).map((row) => [key(row), row]));
    if (found.size > best.size) best = found;
  }
  return { columns: head, of: best };
}

// Of a row of the table: a target for each column of a prediction, or null where it has none.
function targetOf(row, head, chosen, data) {
  if (!row) return null;
  if (data.kind === "class") {
    const value = row[head.indexOf(chosen)];
    const at = data.columns.includes(value) ? data.columns.indexOf(value) : value === "" ? -1 : Number(value);
    return at >= 0 && at < data.columns.length ? data.columns.map((_, column) => Number(column === at)) : null;
  }
  const names = data.columns.length === 1 ? [chosen] : data.columns;
  const values = names.map((name) => (row[head.indexOf(name)] ?? "") === "" ? NaN : Number(row[head.indexOf(name)]));
  return values.some(Number.isNaN) ? null : values;
}

// A table of predictions, the most interesting rows first; labels only from the reader's own file.
const data = embedded("data");
const STEP = 100;
const byId = (id) => document.getElementById(id);
const [model, order, find, file, column, status] = ["model", "order", "find", "labels", "column", "status"].map(byId);
let labels = null, shown = STEP;

// Column by column on the page, row by row from here on.
function byRow(columns) {
  const unpacked = columns.map(unpack);
  return data.ids.map((_, row) => unpacked.map((values) => values[row]));
}
for (const values of Object.values(data.models)) {
  values.mean = byRow(values.mean);
  if (values.sd) values.sd = byRow(values.sd);
}

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

// Mean over columns of how far the models' predictions of a row lie apart.
const apart = data.ids.map((_, row) => {
  const every = Object.values(data.models).map((values) => values.mean[row]);
  return mean(data.columns.map((_, c) => Math.max(...every.map((p) => p[c])) - Math.min(...every.map((p) => p[c]))));
});

function target(id) {
  return labels && targetOf(labels.of.get(id), labels.columns, column.value, data);
}

function listed() {
  const values = data.models[model.value], wanted = find.value.trim().toLowerCase();
  const rows = data.ids.map((id, row) => {
    const y = target(id), p = values.mean[row];
    const error = y && mean(y.map((v, c) => Math.abs(v - p[c])));
    return { id, p, y, error, sd: values.sd && values.sd[row], apart: apart[row] };
  });
  const key = {
    id: () => 0,
    spread: (row) => -(row.sd ? mean(row.sd) : 0),
    apart: (row) => -row.apart,
    low: (row) => row.p[0],
    high: (row) => -row.p[0],
    error: (row) => -(row.error ?? -1),
  }[order.value];
  return rows.filter((row) => row.id.toLowerCase().includes(wanted)).sort((a, b) => key(a) - key(b));
}

function heading() {
  const line = make("tr");
  line.append(make("th", "row", { scope: "col", class: "name" }));
  if (labels) line.append(make("th", "error", { scope: "col" }), make("th", "target", { scope: "col" }));
  for (const name of data.columns) line.append(make("th", name, { scope: "col" }));
  line.append(make("th", "models apart", { scope: "col" }));
  return line;
}

function targetText(y) {
  if (!y) return "–";
  return data.kind === "class" ? data.columns[y.indexOf(1)] : y.map((v) => +v.toFixed(3)).join(", ");
}

function update() {
  const rows = listed(), values = data.models[model.value];
  const lines = rows.slice(0, shown).map((row) => {
    const line = make("tr");
    line.append(make("th", row.id, { scope: "row", class: "name" }));
    if (labels) line.append(make("td", row.error === null ? "–" : row.error.toFixed(2)), make("td", targetText(row.y)));
    row.p.forEach((p, c) => {
      const cell = make("td", p.toFixed(2));
      if (row.sd && row.sd[c] !== null) cell.append(make("i", ` ± ${row.sd[c].toFixed(2)}`));
      line.append(cell);
    });
    line.append(make("td", row.apart.toFixed(2)));
    return line;
  });
  const table = byId("rows");
  table.tHead.replaceChildren(heading());
  table.tBodies[0].replaceChildren(...lines);
  byId("more").hidden = rows.length <= shown;
  const found = labels ? `; your file has targets of ${data.ids.filter((id) => target(id)).length} of ${data.ids.length} rows` : "";
  status.textContent = `${Math.min(shown, rows.length)} of ${rows.length} rows, mean over ${values.seeds} seed${values.seeds === 1 ? "" : "s"}${found}`;
}

async function openLabels() {
  const found = findRows(readTable(await file.files[0].text()), data.ids);
  if (!found.of.size) {
    labels = null;
    status.textContent = `${file.files[0].name} names none of these rows: it needs a heading line and a column of ids such as ${data.ids[0]}, or video_id and clip_id`;
    return;
  }
  labels = found;
  column.replaceChildren(...found.columns.map((name) => make("option", name)));
  const usual = [data.task, "label", "target", "score", "y"].find((name) => found.columns.includes(name));
  if (usual) column.value = usual;
  byId("columns").hidden = data.columns.length > 1 && data.kind !== "class";
  const byError = order.querySelector("[value=error]");
  byError.disabled = false;
  byError.textContent = "largest error first";
  order.value = "error";
  update();
}

for (const control of [model, order]) {
  const wanted = address.read().get(control.id);
  const option = [...control.options].find((o) => o.value === wanted && !o.disabled);
  if (option) control.value = wanted;
  control.addEventListener("change", () => {
    address.set(control.id, control.value);
    shown = STEP;
    update();
  });
}
find.addEventListener("input", update);
column.addEventListener("change", update);
file.addEventListener("change", openLabels);
byId("more").addEventListener("click", () => {
  shown += STEP;
  update();
});
update();
document.documentElement.classList.remove("restoring");
