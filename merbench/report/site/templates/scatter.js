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
