"""The leak probe: its parts against references, what it flags and what it leaves in peace."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture

from merbench.data.audit import leaks as audit_leaks
from merbench.data.audit import linear_probe as audit_probe
from merbench.data.audit.audit import audit
from merbench.data.audit.bimodality import _fit, fit_mixture, one_mode
from merbench.data.audit.leaks import probe_streams
from merbench.data.audit.linear_probe import FOLDS, probe
from merbench.data.folder.read import read_folder
from tests.data.made_streams import Law, corpus_of, honest, leaked


def means_of(corpus):
    return {name: stream.values for name, stream in corpus.streams.items()}


def test_the_probe_is_ridge_over_folds_of_whole_videos_with_the_penalty_of_gcv():
    x, y, video = honest(np.random.default_rng(0), Law(videos=15, width=8))
    t = np.stack([y, np.sign(y)], axis=1)
    found = probe(x, t, video, seed=3)
    fold = (np.random.default_rng(3).permutation(15) % FOLDS)[video]
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        assert not set(video[train]) & set(video[test])
        for c in range(2):
            z, goal = x[train] - x[train].mean(axis=0), t[train, c] - t[train, c].mean()
            scores = {}
            for penalty in 10.0 ** np.arange(-1, 7):
                hat = z @ np.linalg.solve(z.T @ z + penalty * np.eye(8), z.T)
                scores[penalty] = ((goal - hat @ goal) ** 2).sum() / (
                    1 - (np.trace(hat) + 1) / len(z)
                ) ** 2
            reference = Ridge(alpha=min(scores, key=scores.get)).fit(x[train], t[train, c])
            np.testing.assert_allclose(found[test, c], reference.predict(x[test]), atol=1e-8)


def test_the_mixture_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.normal(-2, 0.7, 40), rng.normal(1, 0.7, 60)])
    found = _fit(scores[None], iterations=300)
    reference = GaussianMixture(2, covariance_type="tied", n_init=5, tol=1e-8, random_state=0).fit(
        scores[:, None]
    )
    single = GaussianMixture(1).fit(scores[:, None])
    ratio = 2 * len(scores) * (reference.score(scores[:, None]) - single.score(scores[:, None]))
    assert found.ratio_B[0] == pytest.approx(ratio, rel=1e-3)
    apart = abs(np.diff(reference.means_[:, 0])[0]) / np.sqrt(reference.covariances_[0, 0])
    assert found.apart_B[0] == pytest.approx(apart, rel=1e-2)
    assert (
        found.high_BV[0] == (reference.predict(scores[:, None]) == reference.means_[:, 0].argmax())
    ).all()


def test_p_is_uniform_under_one_mode_and_skewed_modes_are_one():
    law, rng = one_mode(60), np.random.default_rng(7)
    p = [law.p(r) for r in fit_mixture(rng.normal(5, 3, size=(400, 60))).ratio_B]
    assert kstest(p, "uniform").statistic < 0.1
    skewed = [law.p(r) for r in fit_mixture(rng.gamma(6, size=(400, 60))).ratio_B]
    assert np.mean(np.array(skewed) < 0.01) <= 0.03
    two = np.where(
        rng.random((50, 60)) < 0.4, rng.normal(-5, 1, (50, 60)), rng.normal(0, 1, (50, 60))
    )
    assert np.mean([law.p(r) < 1e-3 for r in fit_mixture(two).ratio_B]) > 0.8


@pytest.mark.parametrize(
    "law",
    [Law(), Law(signal=3, gain=0.8), Law(offset=3, signal=4), Law(signal=0), Law(noise=0.8)],
    ids=str,
)
def test_honest_streams_are_left_in_peace(law):
    for seed in range(2):
        x, y, video = honest(np.random.default_rng(seed), law)
        (found,) = probe_streams(corpus_of(y, video, honest=x), {"honest": x})
        assert found.p is not None and not found.suspected


SHAPES = {"mosi": (93, 23), "many short videos": (400, 7), "sims": (60, 38)}
"""Videos, and rows of each on average."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("labels", ["score", "class"])
def test_noise_is_not_accused_where_labels_differ_from_video_to_video(shape, labels):
    """Video effects of sd .7: an uninformed probe predicts the mean of its other folds, and so
    seems to know videos by their own mean. Two draws a shape and kind of label: they would show a
    probe that accuses most noise, and cannot show a rate of a few in a hundred.
    """
    videos, rows = SHAPES[shape]
    for seed in range(2):
        rng = np.random.default_rng(seed)
        video = np.repeat(np.arange(videos), rng.poisson(rows - 1, videos) + 1)
        y = np.clip(rng.normal(0, 0.7, videos)[video] + rng.normal(size=len(video)), -3, 3)
        y = np.digitize(y, (-0.5, 0.5)) - 1.0 if labels == "class" else y
        x = rng.normal(size=(len(video), 5))
        (found,) = probe_streams(corpus_of(y, video, noise=x), {"noise": x})
        assert found.p is not None and not found.suspected


def test_an_honest_stream_is_not_accused_of_a_rare_label():
    """In many short dialogues nobody is angry: nothing can agree with such a label, and those
    dialogues once stood apart as the ones that a stream does not know.
    """
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(200), 8)
    y = np.where(rng.random(len(video)) < 0.12, 3.0, -3.0)
    x = y[:, None] / 3 + rng.normal(size=(len(video), 5))
    (found,) = probe_streams(corpus_of(y, video, honest=x), {"honest": x})
    assert found.p is not None and found.corr > 0.3 and not found.suspected


@pytest.mark.parametrize(("share", "binary"), [(0.6, False), (0.6, True), (0.8, True)])
def test_a_stream_fitted_on_some_videos_is_found_with_its_videos(share, binary):
    rng = np.random.default_rng(5)
    x, y, video = honest(rng, Law(width=74))
    z, seen = leaked(rng, x, y, video, share, binary)
    corpus = corpus_of(y, video, honest=x, leaking=z)
    innocent, guilty = probe_streams(corpus, means_of(corpus))
    assert not innocent.suspected and guilty.suspected and guilty.p < 1e-3
    assert guilty.corr_seen > guilty.corr_rest + 0.2
    named = np.isin([f"v{v:03d}" for v in range(len(seen))], guilty.seen)
    assert (named == seen).mean() > 0.9


def test_a_stream_made_of_the_labels_is_too_good_and_too_few_videos_are_not_judged():
    rng = np.random.default_rng(0)
    x, y, video = honest(rng, Law(videos=12))
    x[:, 0] = y
    (found,) = probe_streams(corpus_of(y, video, copied=x), {"copied": x})
    assert found.p is None and found.too_good and not found.suspected
    assert [
        f.level for f in audit(corpus_of(y, video, copied=x)).findings if f.about == "copied"
    ] == ["suspicion"]


def test_a_wide_stream_is_narrowed_and_many_rows_are_thinned(monkeypatch):
    monkeypatch.setattr(audit_leaks, "MOST", 1000)
    monkeypatch.setattr(audit_probe, "WIDEST", 60)
    rows = []
    monkeypatch.setattr(
        audit_leaks,
        "probe",
        lambda x, t, video, seed: rows.append(x.shape) or probe(x, t, video, seed),
    )
    x, y, video = honest(np.random.default_rng(0), Law(videos=93, width=200, signal=2))
    (found,) = probe_streams(corpus_of(y, video, wide=x), {"wide": x})
    assert found.corr > 0.5 and not found.suspected
    assert {(900 < n <= 1000, width) for n, width in rows} == {(True, 60)}


@pytest.mark.skipif("MERBENCH_DATA" not in os.environ, reason="MERBENCH_DATA is not set")
@pytest.mark.parametrize("declared", [True, False])
def test_mosi_with_and_without_its_declarations(declared, tmp_path):
    real = Path(os.environ["MERBENCH_DATA"]) / "mosi"
    for path in real.iterdir():
        if path.name != "dataset.toml":
            (tmp_path / path.name).symlink_to(path)
    shutil.copyfile(real / "dataset.toml", tmp_path / "dataset.toml")
    if not declared:
        lines = (real / "dataset.toml").read_text().splitlines()
        (tmp_path / "dataset.toml").write_text(
            "\n".join(line for line in lines if not line.startswith("fitted_on"))
        )
    found = audit(read_folder(tmp_path))
    assert {
        f.about for f in found.findings if f.level == ("leak" if declared else "suspicion")
    } == {"text.cnn100", "video.c3d100"}
    assert not any(f.level == ("suspicion" if declared else "leak") for f in found.findings)
    assert all(
        f.level == "note"
        for f in found.findings
        if f.about in ("audio.covarep73", "text.words", "text.transcript")
    )
    by_name = {s.stream: s.probe for s in found.streams}
    truth = read_folder(real)
    fitted = set(truth.videos[truth.streams["text.cnn100"].fitted_on])
    for name, least in (("text.cnn100", 0.97), ("video.c3d100", 0.85)):
        named = set(by_name[name].seen)
        assert np.mean([(v in named) == (v in fitted) for v in set(truth.videos)]) > least
