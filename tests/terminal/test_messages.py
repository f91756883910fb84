"""Sentences on stderr: one line each, and at a terminal wrapped between words."""

import contextlib
import os
import pty
import termios

from merbench.terminal.messages import say, say_command

SENTENCE = "warning: the file /a/path-with-hyphens/of-some-length.npz holds words, and no command"


def at_a_terminal(columns, call, *words):
    """The lines that ``call(*words)`` writes to a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with os.fdopen(theirs, "w") as terminal, contextlib.redirect_stderr(terminal):
        call(*words)
    lines = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    return lines


def test_a_sentence_is_wrapped_between_words_at_the_width_of_the_terminal():
    lines = at_a_terminal(40, say, SENTENCE)
    assert " ".join(lines) == SENTENCE and len(lines) == 3 and max(map(len, lines)) <= 40
    assert at_a_terminal(200, say, SENTENCE) == [SENTENCE]


def test_a_command_and_what_goes_to_a_file_are_one_line(capfd):
    assert at_a_terminal(40, say_command, SENTENCE) == [SENTENCE]
    say(SENTENCE + "\nand more")
    assert capfd.readouterr().err == SENTENCE + "\\nand more\n"
