"""Every Eval Ever (EvalEval Coalition), schema 0.3.0: one JSON file a row, in the folders that its
collection has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from merbench.api.control_characters import json_printable
from merbench.report.exports.every_eval_ever_rows import samples
from merbench.report.exports.rows import ExportedRow, exported_rows
from merbench.report.folder.names import slug
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.scores.runs_of_a_store import Source

SCHEMA_VERSION = "0.3.0"


def every_eval_ever(
    board: Board, scores: BoardScores, source: Source | None = None
) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each row: ``data/BENCHMARK/DEVELOPER/MODEL/UUID.json``; with ``source``
    also ``UUID_samples.jsonl``, one line a seed and row.
    """
    benchmark = slug(f"merbench {board.track.dataset} {board.track.task} {board.track.protocol}")
    for row in exported_rows(board, scores):
        content = _record(benchmark, board, scores, row)
        # The collection wants a UUID of version 4; this one is the same for the same runs.
        runs = " ".join([board.title, *(record.run_id for record in row.entry.done)])
        name = UUID(bytes=sha256(runs.encode()).digest()[:16], version=4)
        path = f"data/{benchmark}/{_developer(row)}/{row.file}/{name}.json"
        if source:
            of_rows = path.removesuffix(".json") + "_samples.jsonl"
            lines = list(samples(content, board, row, source))
            data = "".join(f"{_json(line)}\n" for line in lines).encode()
            content["detailed_evaluation_results"] = {
                "format": "jsonl",
                "file_path": of_rows,
                "hash_algorithm": "sha256",
                "checksum": sha256(data).hexdigest(),
                "total_rows": len(lines),
            }
            yield of_rows, data
        yield path, _json(content, indent=1).encode()


def _json(value: Any, indent: int | None = None) -> str:
    return json_printable(json.dumps(value, indent=indent, ensure_ascii=False))


def _developer(row: ExportedRow) -> str:
    return "outside" if row.entry.first.outside else "merbench"


def _record(benchmark: str, board: Board, scores: BoardScores, row: ExportedRow) -> dict[str, Any]:
    seconds = datetime.fromisoformat(row.made_on).timestamp()
    outside = row.entry.first.outside
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{benchmark}/{_developer(row)}/{row.file}/{seconds:.0f}",
        "evaluation_timestamp": row.made_on,
        "retrieved_timestamp": f"{seconds:.0f}",
        "source_metadata": {
            "source_name": f"merbench leaderboard: {board.title}",
            "source_type": "evaluation_run",
            "source_organization_name": "merbench",
            "evaluator_relationship": "other" if outside else "third_party",
        },
        "eval_library": {"name": "merbench", "version": row.version},
        "model_info": _model(board, row),
        "evaluation_results": [
            _result(board, scores, row, metric)
            for metric in scores.headline
            if metric in row.scores.summary
        ],
    }


def _model(board: Board, row: ExportedRow) -> dict[str, Any]:
    first = row.entry.first
    details = {
        "deployment_type": "unknown" if first.outside else "self_deployed",
        "model_availability": "unknown",
        "streams_offered": ", ".join(board.track.streams) or "unknown",
        "pretrained": ", ".join(sorted(board.track.pretrained)) or "nothing",
        "seeds": str(len(row.scores.seeds)),
        "runs": ", ".join(record.run_id for record in row.entry.done),
    }
    if first.caveat:
        details["caveat"] = first.caveat
    return {
        "name": row.entry.name,
        "id": f"{_developer(row)}/{row.file}",
        "additional_details": details,
    }


def _result(board: Board, scores: BoardScores, row: ExportedRow, metric: str) -> dict[str, Any]:
    facts, summary = scores.metrics[metric], row.scores.summary[metric]
    track = board.track
    details = {"seeds": str(summary.n)}
    if summary.sd is not None and summary.sd == summary.sd:
        details["standard_deviation_over_seeds"] = repr(summary.sd)
    score: dict[str, Any] = {"score": summary.mean, "details": details}
    if ends := row.scores.intervals.get(metric):
        score["uncertainty"] = {
            "confidence_interval": {
                "lower": ends[0],
                "upper": ends[1],
                "confidence_level": 0.95,
                "method": "bootstrap over seeds and groups of rows (videos, dialogues)",
            },
            "num_samples": row.scores.rows,
        }
    return {
        "evaluation_name": f"{track.dataset} {track.task} {metric}",
        "source_data": {
            "dataset_name": track.dataset,
            "source_type": "other",
            "additional_details": {
                "task": track.task,
                "protocol": track.protocol,
                "split": "test",
                "revision": track.revision,
            },
        },
        "metric_config": {
            "evaluation_description": facts.summary,
            "metric_id": metric,
            "metric_name": facts.title,
            "lower_is_better": not facts.higher_is_better,
            "score_type": "continuous",
            "min_score": None,
            "max_score": None,
        },
        "score_details": score,
    }
