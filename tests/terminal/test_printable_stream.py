"""Nothing that others wrote moves a terminal's cursor, and nothing is lost of JSON."""

from __future__ import annotations

import io
import json
import sys
import threading

import click
from rich.table import Table
from rich.text import Text

from merbench.api.control_characters import json_printable, printable
from merbench.api.events import Note
from merbench.terminal.console import PrintableConsole
from merbench.terminal.messages import say_note
from merbench.terminal.printable_stream import PrintableStream

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\x9b31mc\x7f\rd\u202ee"


def test_control_characters_are_spelled_out_and_the_rest_stays():
    assert printable("é\tβ\n表 😀") == "é\tβ\n表 😀"
    shown = printable(HOSTILE)
    assert shown.isprintable() and shown.startswith("a\\x1b[2J\\x1b]0;title\\x07b\\x9b31mc")


def test_json_keeps_its_value():
    text = json_printable(json.dumps({HOSTILE: [HOSTILE]}, ensure_ascii=False))
    assert json.loads(text) == {HOSTILE: [HOSTILE]} and printable(text) == text


def test_a_table_of_hostile_cells_has_styles_and_no_control_of_theirs():
    out = io.StringIO()
    console = PrintableConsole(file=out, force_terminal=True, width=200, color_system="standard")
    table = Table(title=HOSTILE)
    table.add_column(Text(HOSTILE))
    table.add_row(Text(HOSTILE, style="bold"))
    console.print(table)
    text = out.getvalue()
    assert "\x1b[1m" in text, "the style is there"
    assert "\x1b[2J" not in text and "\x1b]" not in text and "\x9b" not in text


def test_the_program_writes_only_printable_text(merbench, tmp_path):
    result = merbench("predict", "--text", "x", "--run", HOSTILE)
    assert result.returncode == 2 and "\\x1b[2J" in result.stderr
    assert not {"\x1b", "\x9b", "\x07", "\r"} & set(result.stderr + result.stdout)
    assert not isinstance(sys.stdout, PrintableStream), "the streams are given back"


def test_a_newline_in_the_name_of_a_file_breaks_no_sentence(merbench, tmp_path, capsys):
    done = merbench("data", "add", "--name", "x", "no such\nfile", "--data", str(tmp_path))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "no such\\nfile does not exist" in line
    say_note(Note(sentence="a\nb.wav was not heard", warning=True))
    assert capsys.readouterr().err == "warning: a\\nb.wav was not heard\n"


def test_what_a_terminal_cannot_encode_is_spelled_out(monkeypatch):
    raw = io.BytesIO()
    stream = PrintableStream(io.TextIOWrapper(raw, encoding="cp1252"))
    monkeypatch.setattr(sys, "stdout", stream)
    click.echo("é β")
    stream.flush()
    assert raw.getvalue() == b"\xe9 \\u03b2\n"


def test_what_another_thread_prints_is_no_result():
    result, prose = io.StringIO(), io.StringIO()
    stream = PrintableStream(result, from_others=PrintableStream(prose))
    stream.write("mine")
    thread = threading.Thread(target=stream.write, args=["noise"])
    thread.start()
    thread.join()
    assert (result.getvalue(), prose.getvalue()) == ("mine", "noise")
