"""Weights out of reach: whatever the network does, a command ends soon with one sentence; a model
within reach is fetched.
"""

import http.server
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from huggingface_hub import close_session, constants

from merbench_encoders import hub
from merbench_encoders.model_packages import short_name_meant
from tests.towers import tiny_text

DATA = """
name = "few"
labels = "label.csv"
task.sentiment = { column = "label", kind = "score", low = -3.0, high = 3.0 }
protocols.standard = { column = "mode", streams = ["text.transcript"] }
streams."text.transcript" = { modality = "text", kind = "strings", column = "text" }
"""
ROWS = "video_id,clip_id,text,label,mode\na,1,good,2,train\nb,1,bad,-2,train\nc,1,so so,0,valid\nd,1,fine,1,test\n"


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub with the files of one model at every address. ``ill``: 503 to everything, or no answer
    to anything but HEAD.
    """

    ill, files = "", {}

    def answer(self, body, send):
        self.send_response(503 if self.ill == "503" else 404 if body is None else 200)
        for name, value in (
            ("Content-Length", str(len(body or b""))),
            ("ETag", f'"{hash(body)}"'),
            ("X-Repo-Commit", "a" * 40),
        ):
            self.send_header(name, value)
        self.end_headers()
        if send and body is not None:
            self.wfile.write(body)

    def asked(self):
        if self.path.startswith("/api/models/"):
            return json.dumps(
                {
                    "id": "a",
                    "sha": "a" * 40,
                    "siblings": [{"rfilename": name} for name in self.files],
                }
            ).encode()
        return self.files.get(self.path.rpartition("/")[2])

    def do_HEAD(self):
        self.answer(self.asked(), send=False)

    def do_GET(self):
        if self.ill == "silent":
            self.server.closing.wait()
        else:
            self.answer(self.asked(), send=True)

    def log_message(self, *_):
        pass


@contextmanager
def served(ill, files=()):
    """The address of such a hub. ``stalls``: a port that takes connections and never answers;
    ``refuses``: one that takes none.
    """
    if ill in ("stalls", "refuses"):
        with socket.create_server(("127.0.0.1", 0)) as port:
            url = "http://{}:{}".format(*port.getsockname())
            if ill == "refuses":
                port.close()
            yield url
        return
    handler = type("Ill", (Hub,), {"ill": ill, "files": dict(files)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.closing = True, threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield "http://{}:{}".format(*server.server_address)
        server.closing.set()
        server.shutdown()


@pytest.fixture
def at(monkeypatch, tmp_path):
    """Makes an address the hub, with an empty cache."""

    def at(url):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        close_session()

    yield at
    close_session()


@pytest.mark.parametrize(
    ("ill", "encoder", "model"),
    [
        *[
            (ill, "clip-text", "timm/vit_base_patch32_clip_224.openai")
            for ill in ("stalls", "refuses", "503")
        ],
        *[(ill, "hf-text", "bert-base-uncased") for ill in ("stalls", "refuses", "503", "silent")],
    ],
)
def test_weights_out_of_reach_are_one_sentence_and_not_waited_for(
    ill, encoder, model, at, merbench, tmp_path, monkeypatch
):
    monkeypatch.setattr(hub, "SECONDS", 0.5)
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "dataset.toml").write_text(DATA)
    (tmp_path / "few" / "label.csv").write_text(ROWS)
    with served(ill, {"config.json": b"{}"}) as url:
        at(url)
        start = time.monotonic()
        result = merbench(
            "run",
            "--model",
            "text-only",
            "--dataset",
            "few",
            "--data",
            str(tmp_path / "few"),
            "--encoder",
            f"text={encoder}",
        )
        took = time.monotonic() - start
    assert result.returncode == 2 and "Traceback" not in result.stderr
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for part in (
        model,
        url,
        str(tmp_path / "hub"),
        f"hf download {model}",
        "--encoder text=word-vectors",
    ):
        assert part in sentence
    assert took < 60  # a busy machine is slow; a hub that is waited for has no end


def test_a_hub_is_asked_before_the_libraries_are_imported(merbench, tmp_path):
    """They take longer to import than a hub to answer, or not to; open_clip imports torchvision."""
    (tmp_path / "dataset.toml").write_text(DATA)
    (tmp_path / "label.csv").write_text(ROWS)
    (tmp_path / "packages").mkdir()
    for library in ("torchvision", "transformers"):
        (tmp_path / f"packages/{library}.py").write_text("raise AssertionError('too early')")
    words = ("run", "--model", "text-only", "--dataset", "few", "--data", str(tmp_path))
    with served("refuses") as url:
        env = {
            "HF_ENDPOINT": url,
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "NO_PROXY": "127.0.0.1",
        }
        for encoder in ("clip-text", "hf-text"):
            result = merbench(
                *words,
                "--encoder",
                f"text={encoder}",
                env=env,
                path=str(tmp_path / "packages"),
            )
            assert url in result.stderr and result.returncode == 2
            assert "too early" not in result.stderr


def test_a_model_is_fetched_once_and_whole(at, tmp_path):
    files = {path.name: path.read_bytes() for path in tiny_text(tmp_path).iterdir()}
    more = {"pytorch_model.bin": b"not needed beside safetensors", "README.md": b"nor this"}
    with served("", files | more) as url:
        at(url)
        folder = hub.hub_folder("some/bert", True, "the model", "do without")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert (
        hub.hub_folder("some/bert", True, "the model", "do without") == folder
        and hub.origin(folder) == "some/bert@" + "a" * 40
    )


def test_what_is_spelt_like_a_short_name_is_asked_after():
    assert short_name_meant("all-MiniLM-L6") == short_name_meant("minilmm")
    assert short_name_meant("minilmm") == "did you mean 'minilm'? Else "
    assert short_name_meant("bert-base-uncased") == short_name_meant("timm/vit_base.openai") == ""
