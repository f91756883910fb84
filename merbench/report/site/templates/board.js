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
