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
