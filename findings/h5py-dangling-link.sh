#!/usr/bin/env bash
# In HDF5 a link that leads nowhere is `in` the file, and one form of `get` ignores its default.
#
# Versions:  h5py 3.16.0, numpy 2.4.6.
# Guess:     `name in file` says whether file[name] can be read, and file.get(name, default) gives
#            the default wherever it cannot, whatever it is asked for.
# Behaviour: a soft or external link whose target is not there is listed by iteration and is `in`
#            the file. file.get(name, default) gives the default, but file.get(name, default,
#            getclass=True), which is how one asks what kind of thing a name is, raises RuntimeError
#            (for a name that is not there at all it gives the default). So a reader that walks a
#            file of features by class ends in a traceback at a link to a file that was not copied
#            with it. get(name, getlink=True) never follows the link.
# Source:    h5py, _hl/group.py, Group.get: `if not (getclass or getlink)` catches KeyError of
#            self[name]; else `if name not in self: return default`, and then h5o.get_info(self.id,
#            name).type, which follows the link. docs.h5py.org, Groups, Group.get.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet h5py==3.16.0 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"h5py": "3.16.0", "numpy": "2.4.6"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

import h5py

with h5py.File("features.h5", "w") as file:
    file["here"] = [1.0, 2.0]
    file["soft"] = h5py.SoftLink("/nothing")
    file["away"] = h5py.ExternalLink("not-copied.h5", "/features")


def kind_of(file, name):
    try:
        return file.get(name, "default", getclass=True)
    except RuntimeError as error:
        return f"RuntimeError: {error}"


with h5py.File("features.h5") as file:
    rows = {
        name: (name in file, file.get(name, "default"), kind_of(file, name))
        for name in ("here", "soft", "away", "missing")
    }
    links = {name: type(file.get(name, getlink=True)).__name__ for name in ("here", "soft", "away")}
for name, row in rows.items():
    print(name, *row, sep=" | ")
print(links)
same = (
    all(rows[name][0] is True for name in ("soft", "away"))
    and all(rows[name][1] == "default" for name in ("soft", "away", "missing"))
    and all(str(rows[name][2]).startswith("RuntimeError") for name in ("soft", "away"))
    and rows["missing"][2] == "default"
    and rows["here"][2] is not None
    and links == {"here": "HardLink", "soft": "SoftLink", "away": "ExternalLink"}
)
sys.exit(0 if same else 1)
END
