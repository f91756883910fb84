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

function scatter(across) {
  const cost = across === "seconds" ? 6 : 5, digits = Number(chart.dataset.digits);
  const points = everyPoint.filter((point) => point[cost] > 0 && !rowOf.get(point[0]).hidden).sort((a, b) => a[cost] - b[cost]);
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
  const label = `${chart.dataset.metric} against ${across === "seconds" ? "training time" : "parameters"}, ${points.length} rows`;
  const svg = draw("svg", { viewBox: "0 0 1280 720", role: "group", "aria-label": label });
  const text = (at, size = 20) => ({ ...at, style: `font-size:${size}px` });
  for (const tick of ticks(10 ** low, 10 ** high)) {
    svg.append(draw("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: bottom }));
    svg.append(draw("text", text({ x: x(tick), y: bottom + 26, "text-anchor": "middle" }), short(tick, across)));
  }
  for (let step = 0; step <= 4; step++) {
    const value = floor + (span * step) / 4;
    svg.append(draw("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }));
    svg.append(draw("text", text({ x: left - 8, y: y(value) + 7, "text-anchor": "end" }), value.toFixed(Math.min(digits, 2))));
  }
  const better = chart.dataset.higher === "1" ? "higher is better" : "lower is better";
  svg.append(draw("text", text({ x: (left + right) / 2, y: 706, "text-anchor": "middle" }), `${across === "seconds" ? "training of a seed" : "parameters"}; up: ${chart.dataset.metric} (${better})`));
  const said = make("output", "", { "aria-live": "polite" });
  const marks = points.map((point, at) => {
    const [name, group, mean, from, to] = point;
    const words = `${name}: ${chart.dataset.metric} ${mean.toFixed(digits)}${from === null ? "" : ` [${from.toFixed(digits)}, ${to.toFixed(digits)}]`}, ${short(point[cost], across)}${group === "models" ? "" : `, ${group}`}`;
    const mark = draw("g", { class: group, tabindex: at ? "-1" : "0", role: "button", "aria-label": words });
    if (from !== null) mark.append(draw("line", { class: "whisker", x1: x(point[cost]), x2: x(point[cost]), y1: y(from), y2: y(to) }));
    mark.append(draw("circle", { class: "mark", cx: x(point[cost]), cy: y(mean), r: 10 }));
    const point_at = () => {
      for (const other of marks) other.classList.toggle("active", other === mark);
      said.textContent = words;
    };
    mark.addEventListener("pointerenter", point_at);
    mark.addEventListener("focus", point_at);
    mark.addEventListener("click", () => show(name));
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) {
        const next = marks[(at + step + marks.length) % marks.length];
        mark.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      } else if (event.key === "Enter" || event.key === " ") show(name);
      else return;
      event.preventDefault();
    });
    return mark;
  });
  svg.append(...marks);
  chart.append(svg, said);
}

function scatterAgain() {
  if (chart) scatter(document.querySelector("input[name=across]:checked").value);
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
}
