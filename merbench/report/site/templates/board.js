"use strict";
const details = JSON.parse(document.getElementById("details").textContent);
const table = document.getElementById("board"), body = table.tBodies[0];
const rows = [...body.rows];
const width = table.tHead.rows[0].cells.length;

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function detailOf(row) {
  const next = row.nextElementSibling;
  return next && next.classList.contains("detail") ? next : null;
}

// --- filter

function filter() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Set([...document.querySelectorAll("input[name=group]:checked")].map((box) => box.value));
  let shown = 0;
  for (const row of rows) {
    const name = row.dataset.name.toLowerCase();
    row.hidden = !groups.has(row.dataset.group) || !words.every((word) => name.includes(word));
    const detail = detailOf(row);
    if (detail) detail.hidden = row.hidden;
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} of ${rows.length} rows`;
}

// --- sort: the best first where a column has a direction; a second press turns it round; what has no value stays last

function sort(button) {
  const heading = button.closest("th"), key = button.dataset.sort;
  const now = heading.getAttribute("aria-sort");
  const down = now === "none" ? button.dataset.first === "descending" : now === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => {
    if (key === "name") return row.dataset.name.toLowerCase();
    const text = row.cells[Number(key) + 1].dataset.v;
    return text === undefined ? null : Number(text);
  };
  const keyed = rows.map((row) => [value(row), row, detailOf(row)]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
  });
  body.append(...keyed.flatMap(([, row, detail]) => (detail ? [row, detail] : [row])));
}

// --- open a row

function curves(runs) {
  const drawn = runs.filter((run) => run.curve && run.curve.length > 1);
  const values = drawn.flatMap((run) => run.curve).filter((v) => v !== null);
  if (!values.length) return null;
  const low = Math.min(...values), high = Math.max(...values), longest = Math.max(...drawn.map((run) => run.curve.length));
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 360 150");
  svg.setAttribute("class", "curves");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `validation score by epoch, from ${low} to ${high}, up to ${longest} epochs`);
  for (const [x, y, end, text] of [[40, 14, "end", high], [40, 129, "end", low], [46, 146, "start", "epoch 1"], [350, 146, "end", longest]]) {
    const word = document.createElementNS(space, "text");
    word.textContent = text;
    for (const [name, value] of [["x", x], ["y", y], ["text-anchor", end]]) word.setAttribute(name, value);
    svg.append(word);
  }
  for (const run of drawn) {
    const line = document.createElementNS(space, "polyline");
    const at = (v, i) => `${(46 + (304 * i) / (longest - 1)).toFixed(1)},${(125 - (115 * (v - low)) / (high - low || 1)).toFixed(1)}`;
    line.setAttribute("points", run.curve.map((v, i) => (v === null ? null : at(v, i))).filter(Boolean).join(" "));
    line.setAttribute("fill", "none");
    line.setAttribute("stroke", "currentColor");
    line.setAttribute("stroke-opacity", ".6");
    svg.append(line);
  }
  return svg;
}

function runsTable(told) {
  const keys = ["seed", "fold", "id", "valid", "test", "best", "seconds", "started", "error"].filter((k) => told.runs.some((r) => k in r));
  const titles = { id: "run", valid: `valid ${told.metric}`, test: `test ${told.metric}`, best: "best epoch" };
  const made = make("table"), head = make("tr");
  for (const key of keys) head.append(make("th", titles[key] || key, { scope: "col" }));
  made.createTHead().append(head);
  const lines = made.createTBody();
  for (const run of told.runs) {
    const line = make("tr");
    for (const key of keys) line.append(make("td", run[key] === undefined || run[key] === null ? "–" : run[key]));
    lines.append(line);
  }
  const box = make("div", null, { class: "runs", tabindex: "0", role: "region", "aria-label": "Runs" });
  box.append(made);
  return box;
}

function panel(told) {
  const inner = make("div", null, { class: "inner" });
  const add = (title, ...parts) => inner.append(make("h2", title), ...parts);
  const json = (value) => make("pre", JSON.stringify(value, null, 1), { tabindex: "0" });
  if (told.caveat) inner.append(make("p", told.caveat));
  const command = make("pre", told.command, { tabindex: "0" });
  const copy = make("button", "Copy", { type: "button", class: "copy" }), said = make("span", "", { role: "status" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(told.command);
      said.textContent = " Copied.";
    } catch {
      getSelection().selectAllChildren(command);
      said.textContent = " Selected; your browser does not let a page copy.";
    }
  });
  add("Make these runs again", command, copy, said);
  add(`Runs (${told.runs.length})`, runsTable(told));
  const drawn = curves(told.runs);
  if (drawn) add(`Validation ${told.metric} by epoch`, drawn);
  if (told.test) add("Paired test", make("p", told.test));
  if (told.tuned) add("Tuning", json(told.tuned));
  add("Spec", json(told.spec));
  add("Provenance", json({ source: told.source, contents: told.contents, ...told.provenance }));
  return inner;
}

function toggle(button) {
  const row = button.closest("tr"), open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) {
    detailOf(row).remove();
    return;
  }
  const detail = make("tr", null, { class: "detail" }), cell = make("td", null, { colspan: width });
  cell.append(panel(details[row.dataset.name]));
  detail.append(cell);
  row.after(detail);
}

table.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.sort !== undefined) sort(button);
  else if (button.classList.contains("open")) toggle(button);
});
document.getElementById("filter").addEventListener("input", filter);
for (const box of document.querySelectorAll("input[name=group]")) box.addEventListener("change", filter);
filter();
