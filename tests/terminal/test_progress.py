"""What is said of work that was begun before: where it continues."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from merbench.api.events import EpochDone, RunDone, RunResumed, RunStarted, SearchProgress
from merbench.terminal.encode_progress import in_words
from merbench.terminal.progress_bar import TimeLeftColumn, new_bar
from merbench.terminal.run_progress import RunProgress
from merbench.terminal.tune_progress import TuneProgress


def searched(finished, best=None):
    return SearchProgress(
        search="s", finished=finished, wanted=30, metric="mae", best=best, best_trial=best and 4
    )


@pytest.mark.parametrize(
    ("counts", "first"),
    [
        ((12, 13), "merclip mosi: resuming at trial 13 of 30 · best 0.8000 of trial 4"),
        ((30, 30), "merclip mosi: all 30 trials were made before · best 0.8000 of trial 4"),
        ((0, 1), "merclip mosi · 1 of 30 trials · best 0.8000 of trial 4"),
    ],
)
def test_a_search_says_at_which_trial_it_goes_on(capsys, counts, first):
    with TuneProgress(30, "merclip mosi", silent=False) as progress:
        for finished in counts:
            progress(searched(finished, 0.8 if finished else None))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == first
    assert sum("resuming" in line for line in lines) == (counts[0] == 12)


def started(seed):
    return RunStarted(run_id=f"r{seed}", model="tfn", ablation="", dataset="mosi", task="t",
                      protocol="p", seed=seed, fold=None, epochs=20)  # fmt: skip


def done(seed, reused):
    return RunDone(run_id=f"r{seed}", seed=seed, fold=None, status="done", seconds=1.0,
                   reused=reused)  # fmt: skip


def test_runs_say_how_many_were_there_and_after_which_epoch_one_goes_on(capsys):
    with RunProgress(3, "tfn mosi") as progress:
        progress(done(0, reused=True))
        progress(started(1))
        progress(RunResumed(run_id="r1", seed=1, fold=None, epoch=7, epochs=20))
        progress(done(1, reused=False))
        progress(started(2))
        progress(done(2, reused=False))
    assert capsys.readouterr().err.splitlines() == [
        "tfn mosi: 1 run taken from the store (--force runs again); resuming at run 2 of 3",
        "tfn mosi · seed 1: resuming after epoch 7 of 20",
        "tfn mosi · seed 1 · 1.0 s",
        "tfn mosi · seed 2 · 1.0 s",
    ]


def test_runs_that_were_all_there_go_on_nowhere(capsys):
    with RunProgress(1, "tfn mosi") as progress:
        progress(done(0, reused=True))
    assert capsys.readouterr().err == (
        "tfn mosi: 1 run taken from the store (--force runs again)\n"
    )


def epoch_done(epoch):
    return EpochDone(run_id="r1", seed=1, fold=None, stage="train", epoch=epoch, epochs=20,
                     losses={}, metric="mae", value=0.9)  # fmt: skip


@pytest.mark.parametrize(
    ("n_runs", "before", "epoch", "time_left"),
    [
        (1, [], 1, "0:03:10"),  # 19 epochs of 10 s
        (1, [RunResumed(run_id="r1", seed=1, fold=None, epoch=7, epochs=20)], 8, "0:02:00"),
        (2, [done(0, reused=True)], 1, "0:03:10"),
    ],
)
def test_a_time_left_is_shown_from_the_first_epoch_on(
    monkeypatch, n_runs, before, epoch, time_left
):
    monkeypatch.setenv("COLUMNS", "100")
    seconds = 0.0
    monkeypatch.setattr("rich.console.monotonic", lambda: seconds)
    progress = RunProgress(n_runs, "tfn mosi")
    progress(started(1))
    for event in before:
        progress(event)
    assert "-:--:--" in drawn(progress.bar)
    seconds = 10.0
    progress(epoch_done(epoch))
    assert time_left in drawn(progress.bar)


def drawn(bar):
    text = io.StringIO()
    Console(width=100, file=text).print(bar.get_renderable())
    return text.getvalue()


def test_a_long_description_leaves_the_counts_and_times_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    bar, _ = new_bar()
    name = "kggr row-normalised-graph · seed 1 · epoch 1/1 · valid micro_f1 0.376"
    bar.add_task(name, total=40, completed=10)
    drawn = io.StringIO()
    Console(width=80, file=drawn).print(bar.get_renderable())
    assert drawn.getvalue().startswith(name[:40]) and "10/40 0:00:00 -:--:--" in drawn.getvalue()


def test_what_an_encoder_counted_is_said_in_words():
    assert in_words("lowered_rate", 1.0) == "100 % of the texts are read in lower case"
    assert in_words("of_a_guest", 0.25) == "of a guest 0.25"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(65.4, "0:01:05"), (0.0, "0:00:00"), (None, "-:--:--")]
)
def test_an_estimate_of_its_own_is_the_time_left_of_a_bar(seconds, shown):
    bar, _ = new_bar()
    bar.add_task("S", total=16, completed=2, seconds_left=seconds)
    assert TimeLeftColumn().render(bar.tasks[0]).plain == shown


def test_a_run_in_progress_has_a_time_left_from_its_first_epoch_on():
    bar, _ = new_bar()
    run = bar.add_task("tfn · seed 0", total=12, completed=3, from_before=3)
    assert TimeLeftColumn().render(bar.tasks[0]).plain == "-:--:--"
    bar.update(run, completed=4)
    assert TimeLeftColumn().render(bar.tasks[0]).plain != "-:--:--"
