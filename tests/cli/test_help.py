"""What ``--help`` shows of every command."""

from __future__ import annotations

import click

from merbench.cli.builtin import SUMMARIES
from merbench.cli.main import cli
from merbench.cli.shared.groups import TITLES


def leaves(command, ctx=None):
    """Every command that is no group, with the words that call it."""
    ctx = ctx or click.Context(command)
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield (), command
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            for words, leaf in leaves(inner, click.Context(inner, parent=ctx)):
                yield (name, *words), leaf
    else:
        yield (), command


def test_every_command_has_help_with_an_example():
    commands = dict(leaves(cli))
    assert {words[0] for words in commands} == {
        name for room in SUMMARIES.values() for name in room
    }
    for words, command in commands.items():
        text = command.get_help(click.Context(command))
        assert "Example: merbench " + " ".join(words)[: len(words[0])] in text, words


def test_the_help_shows_every_command_under_the_heading_of_its_group():
    text = cli.get_help(click.Context(cli, info_name="merbench"))
    for group, title in TITLES.items():
        rows = " ".join(text.partition(f"\n{title}:\n")[2].partition("\n\n")[0].split())
        for name, summary in SUMMARIES[group].items():
            assert f"{name} {summary}" in rows


def test_a_group_shows_whole_sentences():
    ctx = click.Context(cli)
    study = cli.get_command(ctx, "study")
    text = study.get_help(click.Context(study, parent=ctx))
    assert "..." not in text.partition("Commands:")[2]
    assert "Make every run of a study that the store lacks." in " ".join(text.split())
