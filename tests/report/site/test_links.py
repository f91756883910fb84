"""A folder or an address on the list of boards is never a scheme of its own."""

from __future__ import annotations

import re

import pytest

from merbench.api import DataError
from merbench.report.folder.read import read
from merbench.report.site.about import ABOUT, read_site_about
from merbench.report.site.site import index
from tests.report.folder.test_folder import boards


def test_a_folder_whose_name_is_a_scheme_is_linked_as_a_folder(tmp_path):
    root = boards(tmp_path)
    hostile = (root / "sample-sentiment-standard").rename(root / "javascript:alert(1)")
    links = re.findall(r'href="([^"]*)"', index([read(hostile)]).decode())
    assert any(link.startswith("./javascript%3Aalert") for link in links)
    assert not any(link.startswith("javascript") for link in links)


def test_a_repository_that_is_no_address_is_refused(tmp_path):
    (tmp_path / ABOUT).write_text('repository = "javascript:alert(1)"')
    with pytest.raises(DataError, match="repository is no address"):
        read_site_about(tmp_path)
