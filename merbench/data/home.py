"""Where data lies on this machine: data homes, and a data set's feature folder in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from merbench.api.did_you_mean import did_you_mean
from merbench.data.folder.read import FILE
from merbench.data.folder.toml_section import read_toml


def data_homes(data: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """Folders to look in, first one first: ``--data``, ``MERBENCH_DATA``, ``merbench`` in the
    user's data folder (XDG_DATA_HOME).
    """
    share = environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path is invalid and is ignored.
    user = (
        Path(share)
        if share and Path(share).is_absolute()
        else Path(environ.get("HOME") or Path.home()) / ".local/share"
    )
    candidates = [
        data,
        Path(environ["MERBENCH_DATA"]) if environ.get("MERBENCH_DATA") else None,
        user / "merbench",
    ]
    return list(dict.fromkeys(home.expanduser() for home in candidates if home is not None))


def find_folder(name: str, homes: Sequence[Path]) -> Path | None:
    """The first feature folder of data set ``name``: HOME/name, or a home that is itself that
    folder.
    """
    for home in homes:
        if (home / name / FILE).is_file():
            return home / name
        if (home / FILE).is_file() and read_toml(home / FILE).get("name") == name:
            return home
    return None


def folders(homes: Sequence[Path]) -> list[Path]:
    """Every feature folder in the homes, sorted by name within each; hidden folders are work in
    progress.
    """
    folders_here = []
    for home in homes:
        if home.is_dir():
            folders_here += sorted(
                path.parent
                for path in home.glob(f"*/{FILE}")
                if not path.parent.name.startswith(".")
            )
    return folders_here


def shown_homes(homes: Sequence[Path]) -> str:
    """The folders, for a sentence; what is no folder is marked."""
    return ", ".join(
        str(home) + ("" if home.is_dir() else " (which is no folder)") for home in homes
    )


def unknown_message(name: str, homes: Sequence[Path], declared: Sequence[str]) -> str:
    """Where a name that no plugin declares was looked for, and what there is."""
    for home in homes:
        if name and (home / name).is_dir():
            return (
                f"{home / name} has no {FILE}, which makes a folder a data set; "
                "write one, or bring it in with merbench data add"
            )
    known = sorted({*declared, *(folder.name for folder in folders(homes))})
    return (
        f"unknown dataset {name!r}; {did_you_mean(name, known)} (looked in {shown_homes(homes)}; "
        "merbench data list shows them all)"
    )


def missing_message(name: str, homes: Sequence[Path], obtain: str) -> str:
    """What was looked for and where, how to get it, and how to go on without."""
    looked_in = ", ".join(str(home / name / FILE) for home in homes)
    sentences = (
        f"data set {name!r} is not on this machine (looked for {looked_in}).",
        obtain.strip(),
        "To try merbench without it: --dataset sample.",
    )
    return " ".join(filter(None, sentences))
