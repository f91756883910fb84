"""The Hugging Face hub: ``model-index`` for the head of a model card, and ``.eval_results/*.yaml``
where the hub has the data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from merbench.api.control_characters import json_printable
from merbench.report.exports.rows import ExportedRow, exported_rows
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board


def hub(
    board: Board, scores: BoardScores, folder: str, hub_dataset: str = ""
) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each row: ``FOLDER/ROW/README.md`` with a model-index of every headline
    metric; with ``hub_dataset`` (OWNER/NAME) ``.eval_results/FOLDER.yaml`` of the one that ranks.
    """
    for row in exported_rows(board, scores):
        index = {"model-index": [_model(board, scores, row)]}
        yield f"{folder}/{row.file}/README.md", f"---\n{to_yaml(index)}---\n".encode()
        if hub_dataset and scores.metric in row.scores.summary:
            entries = [_entry(board, scores, row, hub_dataset)]
            path = f"{folder}/{row.file}/.eval_results/{folder}.yaml"
            yield path, to_yaml(entries).encode()


def _model(board: Board, scores: BoardScores, row: ExportedRow) -> dict[str, Any]:
    track = board.track
    metrics = [
        {"type": name, "name": f"{scores.metrics[name].title} (test)", "value": summary.mean}
        for name, summary in row.scores.summary.items()
        if name in scores.headline
    ]
    result = {
        "task": {"type": "other", "name": f"multimodal emotion recognition: {track.task}"},
        "dataset": {
            "type": track.dataset,
            "name": board.title,
            "config": track.task,
            "split": "test",
            "revision": track.revision,
        },
        "metrics": metrics,
    }
    return {"name": row.entry.name, "results": [result]}


def _entry(board: Board, scores: BoardScores, row: ExportedRow, hub_dataset: str) -> dict[str, Any]:
    facts = scores.ranks_by
    notes = [
        f"{facts.title}, mean over {len(row.scores.seeds)} seeds",
        f"merbench {row.version}: {board.title}",
        row.entry.first.caveat,
    ]
    return {
        "dataset": {"id": hub_dataset, "task_id": board.track.task},
        "value": row.scores.summary[scores.metric].mean,
        "date": row.made_on,
        "notes": "; ".join(filter(None, notes)),
    }


def to_yaml(value: Any, indent: str = "") -> str:
    """Mappings and lists as blocks; every text in double quotes, as JSON has it, which YAML reads
    the same.
    """
    lines = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            lines.append(f"{indent}{key}:{_inner(inner, f'{indent}  ')}")
    else:
        assert isinstance(value, Sequence)
        for inner in value:
            block = _inner(inner, f"{indent}  ")
            lines.append(f"{indent}- {block.lstrip()}")
    return "".join(lines)


def _inner(value: Any, indent: str) -> str:
    if isinstance(value, Mapping | list):
        return f"\n{to_yaml(value, indent)}"
    text = json_printable(json.dumps(value, ensure_ascii=False))
    if isinstance(value, float) and "." not in text:
        text = text.replace("e", ".0e")  # without a point 1e-05 is a text in YAML 1.1
    return f" {text}\n"
