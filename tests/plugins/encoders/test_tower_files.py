"""Files of a pretrained network are known by their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from merbench_encoders import tower


def test_a_file_is_hashed_once_and_again_when_it_was_changed(tmp_path, monkeypatch):
    read, file_digest = [], hashlib.file_digest

    def counted(file, name):
        read.append(Path(file.name).name)
        return file_digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    contents = {"a": b"weights", "b": b"words"}

    def expected():
        parts = (hashlib.sha256(content).digest() for content in contents.values())
        return hashlib.sha256(b"".join(parts)).hexdigest()

    files = [tmp_path / name for name in contents]
    for file in files:
        file.write_bytes(contents[file.name])
    assert tower.digest(files) == tower.digest(files) == expected()
    assert read == ["a", "b"]
    contents["b"] = b"other words"
    files[1].write_bytes(contents["b"])
    assert tower.digest(files) == expected()
    assert read == ["a", "b", "b"]
