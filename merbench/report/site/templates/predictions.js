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
