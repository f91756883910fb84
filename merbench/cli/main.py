"""The program: a click group whose commands live one a file and import their machinery when they
run.
"""

from __future__ import annotations

import sys

import click
from click.shell_completion import add_completion_class

from merbench.api.control_characters import printable
from merbench.api.errors import MerbenchError, RequestError
from merbench.api.system_errors import sentence_of
from merbench.cli import builtin
from merbench.cli.shared.completion import Fish
from merbench.cli.shared.groups import Program, session_of
from merbench.cli.shared.standard_output import abandon_output, can_flush, flush_output
from merbench.host.discovery import builtin as declared_builtin
from merbench.terminal.messages import say
from merbench.terminal.printable_stream import PrintableStream
from merbench.version import VERSION


@click.group(
    cls=Program,
    builtin=declared_builtin(builtin).commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--no-plugin",
    "disabled",
    metavar="NAME",
    multiple=True,
    help="Leave out a plugin (also MERBENCH_DISABLED_PLUGINS=a,b).",
)
@click.version_option(VERSION, prog_name="merbench")
@click.pass_context
def cli(ctx: click.Context, disabled: tuple[str, ...]) -> None:
    """Benchmark suite for multimodal emotion recognition.

    \b
    merbench run --model merclip           on MOSI where it is, else on the generated control set
    merbench run --model merclip --dataset mosi --seeds 10
    merbench ablate --model merclip --no-label-encoder
    merbench doctor                        what is here, what is missing, what to do about it
    """
    session_of(ctx)


def main() -> None:
    """Exit codes: 0 done, 1 a run failed, 2 the request or its data is wrong, 130 Ctrl-C."""
    add_completion_class(Fish)
    sys.unraisablehook = say_unraisable
    streams = sys.stdout, sys.stderr
    sys.stderr = PrintableStream(streams[1])
    sys.stdout = PrintableStream(streams[0], from_others=sys.stderr)
    try:
        code = _run()
    finally:
        sys.stdout, sys.stderr = streams
    sys.exit(code)


def say_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """One line for what a plugin's function raises at the end of the program, after the result."""
    if "atexit" not in (unraisable.err_msg or ""):
        sys.__unraisablehook__(unraisable)
        return
    function = getattr(unraisable.object, "__module__", "?")
    error = f"{type(unraisable.exc_value).__name__}: {unraisable.exc_value}"
    say(printable(f"warning: at the end of the program {function} raised {error}"))


def _run() -> int:
    try:
        code = cli(standalone_mode=False)
        flush_output()
    except click.exceptions.Abort:
        click.echo(
            "interrupted: what was finished is kept, and the same command continues from there",
            err=True,
        )
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except MerbenchError as error:
        say(f"error: {error}")
        code = 2 if isinstance(error, RequestError) else 1
    except BrokenPipeError:
        # The reader (head, less) has gone.
        abandon_output()
        code = 0
    except (OSError, RuntimeError, MemoryError) as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        say(f"error: {sentence}")
        if not can_flush():
            abandon_output()
        code = 2
    return code if isinstance(code, int) else 0
