"""``merbench ensemble``: the mean of what finished runs predict."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.session import say, show_json


@click.command("ensemble")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--store", type=click.Path(path_type=Path), envvar="MERBENCH_STORE", default="runs", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there.")
def command(runs: tuple[str, ...], store: Path, as_json: bool) -> None:
    """Average the predictions of finished runs: each RUN with all its seeds, seed by seed, and then over the seeds too.

    All must have been scored on the same test rows; they may come from several models, and from transfer. Which runs to average is best
    decided by their validation scores.

    \b
    Example: merbench ensemble 0123456789abcdef fedcba9876543210
    """
    from merbench.api.errors import RequestError
    from merbench.cli.lines import show_lines
    from merbench.report.ensemble import mean, members, seed_by_seed, spread
    from merbench.report.paired import Line, correct, differences, lines_as_json
    from merbench.report.source import StoreSource
    from merbench.report.summary import by_seed, space_of
    from merbench.results.metrics import headline
    from merbench.results.store import Store

    source = StoreSource(Store(store))
    runs_of = members([source.store.find(run) for run in runs], source.records())
    for warning in source.warnings:
        say(f"warning: {warning}")
    records = [of_one[0] for of_one in runs_of.values()]
    space = space_of(records[0])
    scored = {name: by_seed(of_one, source) for name, of_one in runs_of.items()}
    lines = [Line(name, seeds) for name, seeds in scored.items()]
    each = seed_by_seed(scored, space)
    if len(scored) == len(each) == 1:
        raise RequestError(f"there is one run of {lines[0].name}, so that there is nothing to average; name other runs too")
    if len(scored) > 1:
        lines.append(Line("mean, seed by seed", each, against=lines[0].name))
    if len(each) > 1:
        lines.append(Line(f"mean over {len(each)} seeds too", {min(each): mean(list(each.values()), space)}, against=lines[0].name))
    first = spread(lines[0].scored, each)
    means = {line.name: spread(line.scored, each) for line in lines if line.against}
    found = correct({name: differences(first, seeds, headline(space.kind)) for name, seeds in means.items()})
    if as_json:
        show_json({"lines": lines_as_json(lines, found)})
        return
    track = records[0].track
    leaks = [f"{name}: LEAKS {', '.join(r.track.leaks)}" for name, r in zip(runs_of, records, strict=True) if r.track.leaks]
    caveats = list(dict.fromkeys(f"{r.spec.model}: {r.caveat}" for r in records if r.caveat))
    show_lines(f"{track.dataset} · {track.task} · {track.protocol}", lines, found, space.kind, "runs", [*leaks, *caveats])
