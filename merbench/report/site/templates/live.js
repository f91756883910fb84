// A page of ``merbench leaderboard serve``: how far running runs are; drawn again when a run has ended.
const live = document.getElementById("live");

function runLine(run) {
  const line = make("li", `${run.name} `);
  const text = run.of ? `epoch ${run.epoch} of ${run.of}` : "";
  if (run.of) line.append(make("progress", text, { max: run.of, value: run.epoch, "aria-label": run.name }), " ");
  line.append(make("small", [text, run.seconds ? `${run.seconds} s` : "", run.where].filter(Boolean).join(", ")));
  return line;
}

async function refresh() {
  try {
    const now = await (await fetch("/status.json")).json();
    if (now.stamp !== live.dataset.stamp) location.reload();
    const running = now.running.length;
    document.getElementById("live-count").textContent = `${now.records} runs are stored, ${running} ${running === 1 ? "is" : "are"} running`;
    document.getElementById("live-runs").replaceChildren(...now.running.map(runLine));
  } catch {
    document.getElementById("live-count").textContent = "The server does not answer; what is shown may be old.";
  }
}

refresh();
setInterval(refresh, 2000);
