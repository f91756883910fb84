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
