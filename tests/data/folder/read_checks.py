"""What reading a folder comes to."""

from __future__ import annotations

import pytest

from merbench.api import DataError
from merbench.data.folder.read import read_folder


def one_sentence(folder, *says):
    with pytest.raises(DataError) as caught:
        read_folder(folder.path)
    message = str(caught.value)
    assert "\n" not in message and str(folder.path) in message
    for part in says:
        assert part in message
