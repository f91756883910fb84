"""Word and feature encoders and the label encoders, against loops over numpy rows."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import merbench_encoders
from merbench.api import LabelSpace, RequestError, Steps, StreamSpec, WordRows, label_texts
from merbench.testing import tiny
from merbench_encoders.features.bilstm import FeatureBiLSTM
from merbench_encoders.features.features import Features
from merbench_encoders.features.transformer import FeatureTransformer
from merbench_encoders.labels.table import LabelTable
from merbench_encoders.labels.vectors import LabelRandom, LabelVectors
from merbench_encoders.sequence import BiLSTM, sinusoids, thin
from merbench_encoders.words.bilstm import WordBiLSTM
from merbench_encoders.words.ids import WordIds
from merbench_encoders.words.transformer import WordTransformer
from merbench_encoders.words.vectors import WordVectors

CONTEXT = tiny.context(words=True)
TEXT = CONTEXT.streams["text"]
AUDIO = CONTEXT.streams["audio"]
ALL = torch.arange(8)
SEQUENCES = [
    (FeatureBiLSTM, {"width": 8}),
    (FeatureBiLSTM, {"width": 8, "layers": 2}),
    (FeatureTransformer, {"width": 8, "heads": 2}),
    (
        FeatureTransformer,
        {"width": 8, "heads": 2, "layers": 2, "positions": "learned", "longest": 3},
    ),
]


def words(sentences, vocab=tiny.VOCAB):
    """Rows of the given sentences, with values between them that belong to no row."""
    values, start, length = [], [], []
    for sentence in sentences:
        values += [0, *(vocab.index(w) for w in sentence.split())]
        length.append(len(sentence.split()))
        start.append(len(values) - length[-1])
    # As in a memory-mapped data set: a narrow type.
    return WordRows(
        TEXT,
        torch.tensor(values, dtype=torch.int32),
        torch.tensor(start),
        torch.tensor(length),
        vocab,
    )


def make(kind, context=CONTEXT, stream=None, **settings):
    torch.manual_seed(0)
    stream = stream or (TEXT if issubclass(kind, WordIds) else AUDIO)
    return kind(kind.Config(**settings), context, stream).eval()


def labels(kind, context=CONTEXT, **settings):
    torch.manual_seed(0)
    return kind(kind.Config(**settings), context)


def close(actual, want):
    np.testing.assert_allclose(actual.detach().numpy(), want.detach().numpy(), atol=1e-5, rtol=1e-5)


def dead(module):
    return [
        name
        for name, p in module.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]


# Words


@pytest.mark.parametrize("drop", [("sp",), (), ("sp", "the"), tiny.VOCAB])
def test_dropping_equals_a_loop_over_words(drop):
    sentences = ["sp the film sp was good", "", "sp", "very bad", "sp sp not boring sp"]
    encoder = make(WordIds, drop=drop)
    ids_BL1, mask_BL = encoder(encoder.prepare(words(sentences))[torch.arange(5)])
    for i, sentence in enumerate(sentences):
        actual = [encoder.vocab[j] for j in ids_BL1[i, mask_BL[i], 0].tolist()]
        assert actual == [w for w in sentence.split() if w not in drop]


def test_transcripts_without_any_word_are_refused_when_learned_from_and_read_later():
    none = WordRows(
        TEXT, torch.zeros(0, dtype=torch.int32), *torch.zeros(2, 3, dtype=torch.long), ()
    )
    for kind in (WordIds, WordVectors):
        with pytest.raises(RequestError, match="has no word"):
            make(kind).prepare(none)
        encoder = make(kind)
        encoder.prepare(words(["not bad"]))
        assert not encoder(encoder.prepare(none)[torch.arange(3)]).mask_BL.any()


def test_word_vectors_equal_a_numpy_lookup():
    sentences = ["the film was sp good", "not bad", ""]
    encoder = make(WordVectors)
    steps = encoder(encoder.prepare(words(sentences))[torch.tensor([1, 0, 2])])
    file = CONTEXT.lexicon.files[0]
    for i, sentence in enumerate(["not bad", "the film was good", ""]):
        want = np.array([file.scaled[file.words.index(w)] for w in sentence.split()]).reshape(
            -1, encoder.width
        )
        np.testing.assert_allclose(steps.x_BLD[i, steps.mask_BL[i]].numpy(), want)
    assert encoder.frozen and not list(encoder.parameters())


def test_oov_rate_counts_the_words_of_the_split_after_dropping():
    vocab = (*tiny.VOCAB, "xyzzy", "plugh")
    encoder = make(WordVectors)
    encoder.prepare(words(["the sp xyzzy", "sp sp", "film"], vocab))
    assert encoder.measured == {"oov_rate": 1 / 3}
    prepared = encoder.prepare(words(["plugh xyzzy good bad"], vocab))
    assert encoder.measured == {"oov_rate": 1 / 2}
    assert torch.equal(
        encoder(prepared[torch.tensor([0])]).x_BLD[0, :2], torch.zeros(2, encoder.width)
    )


def test_a_stream_of_which_hardly_a_word_is_known_is_refused():
    vocab = (*tiny.VOCAB, "我", "不想", "sp")
    known, foreign = ["film"] * 5, ["我"] * 95
    encoder = make(WordVectors)
    encoder.prepare(words([" ".join(known + foreign)], vocab))
    assert encoder.measured == {"oov_rate": 0.95}
    with pytest.raises(RequestError) as caught:
        make(WordVectors).prepare(words([" ".join(known + foreign * 2 + ["不想", "sp"])], vocab))
    for part in (TEXT.name, CONTEXT.lexicon.files[0].name, "5 of the 196", "'我', '不想'"):
        assert part in str(caught.value)
    encoder.prepare(words(["我"], vocab))  # what is predicted later may be anything


def test_another_vocabulary_keeps_the_numbers_of_the_first():
    encoder, ids = make(WordVectors, tuned=True), make(WordIds)
    for module in (encoder, ids):
        module.prepare(words(["good bad film"]))
    with torch.no_grad():
        encoder.table_VD += 1
    other = ("zzz", "terrible", "good", "sp")
    rows = words(["terrible good zzz"], other)
    first = ids.prepare(words(["good"]))[torch.tensor([0])].x_BLD[0, 0, 0]
    actual = ids.prepare(rows)[torch.tensor([0])].x_BLD[0, :, 0].tolist()
    assert [ids.vocab[i] for i in actual] == ["terrible", "good", "zzz"] and actual[1] == first
    assert ids.vocab[: len(tiny.VOCAB)] == tiny.VOCAB

    x_LD = encoder(encoder.prepare(rows)[torch.tensor([0])]).x_BLD[0]
    file = CONTEXT.lexicon.files[0]
    np.testing.assert_allclose(
        x_LD[0].detach(), file.find("terrible")
    )  # new here: the files' own vector
    np.testing.assert_allclose(x_LD[1].detach(), file.find("good") + 1)  # trained


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (WordIds, {}),
        (WordVectors, {}),
        (WordVectors, {"tuned": True}),
        (WordBiLSTM, {"tuned": True}),
        (WordTransformer, {}),
    ],
)
def test_a_state_comes_back_before_and_after_prepare(kind, settings):
    rows = words(["the film was good", "bad"])
    encoder = make(kind, **settings)
    prepared = encoder.prepare(rows)
    with torch.no_grad():
        for p in encoder.parameters():
            p += 0.1 * torch.randn_like(p)
    want = encoder(prepared[torch.arange(2)]).x_BLD
    state = {k: v.clone() for k, v in encoder.state_dict().items()}
    for before in (True, False):
        torch.manual_seed(1)
        twin = kind(kind.Config(**settings), CONTEXT, TEXT).eval()
        if before:
            twin.prepare(words(["sp good"], ("good", "sp")))
        twin.load_state_dict(state)
        assert torch.equal(twin(twin.prepare(rows)[torch.arange(2)]).x_BLD, want)
    assert torch.equal(copy.deepcopy(encoder)(prepared[torch.arange(2)]).x_BLD, want)


def test_gradients_reach_a_tuned_table_and_no_fixed_one():
    rows = words(["good good bad"])
    encoder = make(WordVectors, tuned=True)
    assert not encoder.frozen
    encoder(encoder.prepare(rows)[torch.tensor([0])]).x_BLD.sum().backward()
    counts = encoder.table_VD.grad[:, 0]
    assert (
        counts[tiny.VOCAB.index("good")] == 2
        and counts[tiny.VOCAB.index("bad")] == 1
        and counts.sum() == 3
    )
    fixed = make(WordVectors)
    assert not fixed(fixed.prepare(rows)[torch.tensor([0])]).x_BLD.requires_grad


def test_word_dropout_takes_whole_words_in_training_only():
    encoder = make(WordVectors, word_dropout=0.5)
    inputs = encoder.prepare(words(["good bad film very " * 40]))[torch.tensor([0])]
    plain = encoder(inputs).x_BLD[0]
    dropped = encoder.train()(inputs).x_BLD[0]
    all_zero = (dropped == 0).all(-1)
    assert (
        torch.equal(dropped[~all_zero], 2 * plain[~all_zero])
        and 0.3 < all_zero.float().mean() < 0.7
    )
    assert not encoder.frozen  # its output differs from epoch to epoch, so nobody may keep it


@pytest.mark.parametrize("kind", [WordVectors, WordBiLSTM, WordTransformer])
def test_without_vectors_the_error_says_where_to_put_them(kind):
    with pytest.raises(
        RequestError,
        match=r"the encoder reads word vectors .* MERBENCH_DATA/vectors.*--vectors FILE",
    ):
        make(kind, replace(CONTEXT, lexicon=None))


@pytest.mark.parametrize("kind", [WordBiLSTM, WordTransformer])
def test_word_sequences_learn_on_top_of_the_vectors(kind):
    encoder = make(kind, width=8, tuned=True)
    steps = encoder(encoder.prepare(words(["the film was good", "", "bad"]))[torch.arange(3)])
    assert steps.x_BLD.shape == (3, 4, 8) and encoder.width == 8 and not encoder.frozen
    assert torch.isfinite(steps.x_BLD).all()
    (steps.x_BLD * torch.randn_like(steps.x_BLD)).sum().backward()
    assert not dead(encoder)


# Features and sequences


def test_features_pass_through():
    encoder = make(Features)
    rows = tiny.rows(AUDIO)
    assert encoder.prepare(rows) is rows and encoder.width == AUDIO.width and encoder.frozen
    assert torch.equal(encoder(rows[ALL]).x_BLD, rows[ALL].x_BLD)
    with pytest.raises(RequestError, match="has no features"):
        make(Features, stream=TEXT)


@pytest.mark.parametrize(("kind", "settings"), SEQUENCES)
def test_a_row_does_not_depend_on_its_batch(kind, settings):
    encoder = make(kind, **settings)
    steps = tiny.steps(6, 5, AUDIO.width, missing=[2])
    x_BLD, mask_BL = encoder(steps)
    assert torch.isfinite(x_BLD).all() and not mask_BL[2].any() and x_BLD.shape[2] == encoder.width
    poisoned = Steps(torch.where(steps.mask_BL[..., None], steps.x_BLD, torch.nan), steps.mask_BL)
    assert torch.equal(encoder(poisoned).x_BLD, x_BLD)
    for i in range(6):
        n = max(1, int(steps.mask_BL[i].sum()))
        alone = encoder(Steps(steps.x_BLD[i : i + 1, :n], steps.mask_BL[i : i + 1, :n]))
        assert int(alone.mask_BL.sum()) == int(mask_BL[i].sum())
        close(alone.x_BLD[alone.mask_BL], x_BLD[i][mask_BL[i]])
    order = torch.tensor([4, 0, 2, 5, 1, 3])
    close(encoder(Steps(steps.x_BLD[order], steps.mask_BL[order])).x_BLD, x_BLD[order])


@pytest.mark.parametrize(("kind", "settings"), SEQUENCES)
def test_holes_and_left_padding_are_skipped(kind, settings):
    encoder = make(kind, **settings)
    real = torch.randn(1, 3, AUDIO.width)
    want = encoder(Steps(real, torch.ones(1, 3, dtype=torch.bool))).x_BLD[0]
    mask = torch.tensor([[False, True, False, True, True, False]])
    x_BLD, out = encoder(
        Steps(torch.full((1, 6, AUDIO.width), 9.0).masked_scatter(mask[..., None], real), mask)
    )
    close(x_BLD[out], want)


@pytest.mark.parametrize(("kind", "settings"), SEQUENCES)
def test_all_missing_and_gradients(kind, settings):
    encoder = make(kind, **settings).train()
    steps = tiny.steps(3, 4, AUDIO.width, missing=[0, 1, 2])
    x_BLD = encoder(steps).x_BLD
    assert torch.equal(x_BLD, torch.zeros_like(x_BLD))
    steps = tiny.steps(3, 4, AUDIO.width, missing=[1])
    x_BLD, mask_BL = encoder(
        Steps(torch.where(steps.mask_BL[..., None], steps.x_BLD, torch.nan), steps.mask_BL)
    )
    (x_BLD[mask_BL] * torch.randn_like(x_BLD[mask_BL])).sum().backward()
    assert not dead(encoder)
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_order_matters_to_the_transformer_by_its_positions_alone():
    steps = Steps(torch.randn(1, 4, AUDIO.width), torch.ones(1, 4, dtype=torch.bool))
    turned = Steps(steps.x_BLD.flip(1), steps.mask_BL)
    for positions, same in (("none", True), ("sinusoidal", False), ("learned", False)):
        encoder = make(FeatureTransformer, width=8, heads=2, positions=positions)
        assert (
            torch.allclose(encoder(steps).x_BLD, encoder(turned).x_BLD.flip(1), atol=1e-5) == same
        )


def test_transformer_equals_its_formula():
    encoder = make(FeatureTransformer, width=8, heads=2, dropout=0.0).double()
    net, x = encoder.sequence, torch.randn(1, 3, AUDIO.width, dtype=torch.double)
    position = [
        [(np.sin, np.cos)[i % 2](t / 10_000 ** ((i - i % 2) / 8)) for i in range(8)]
        for t in range(3)
    ]
    h = net.project(x)[0] + torch.tensor(position)
    layer = net.layers[0]
    q, k, v = layer.qkv(layer.norm1(h)).split(8, -1)
    heads = [(q[:, s] @ k[:, s].T / 2).softmax(-1) @ v[:, s] for s in (slice(0, 4), slice(4, 8))]
    h = h + layer.out(torch.cat(heads, -1))
    h = h + layer.mlp(layer.norm2(h))
    actual = encoder(Steps(x, torch.ones(1, 3, dtype=torch.bool))).x_BLD[0]
    close(actual, net.norm(h))
    assert sinusoids(4, 5).shape == (4, 5)


def test_thinning_equals_a_loop():
    for length in range(1, 12):
        mask_BL = torch.rand(6, length) < 0.7
        x_BL = torch.arange(length).expand(6, length)
        actual, mask = thin(x_BL, mask_BL, 4)
        for i in range(6):
            real = x_BL[i, mask_BL[i]].tolist()
            want = real if len(real) <= 4 else [real[k * len(real) // 4] for k in range(4)]
            assert actual[i, mask[i]].tolist() == want


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(RequestError, match=r"encoder\.width=10 is no multiple of encoder\.heads=4"):
        make(FeatureTransformer, width=10)
    with pytest.raises(ValidationError):
        FeatureBiLSTM.Config(width=7)


def test_only_towers_import_open_clip_and_transformers():
    heavy = re.compile(
        r"^(?:from|import) (?:open_clip|transformers|huggingface_hub|merbench_encoders\.(?:clip|hf|hub))",
        re.MULTILINE,
    )
    package = Path(merbench_encoders.__file__).parent
    heavy_files = {
        file.relative_to(package).with_suffix("").as_posix()
        for file in package.rglob("*.py")
        if heavy.search(file.read_text())
    }
    towers = {"clip/image", "clip/text", "clip/towers", "clip/weights", "hub"}
    towers |= {f"hf/{name}" for name in ("audio", "clap", "inside", "masked", "models", "text")}
    assert heavy_files == {*towers, "labels/clip", "labels/hf", "clip_image"}


# Labels

SYNONYMS = LabelSpace(
    "score",
    ("bad", "neutral", "great"),
    ("a bad experience", "neither good nor bad", "a wonderful experience"),
    (-1.0, 0.0, 1.0),
)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("form", ["word", "template", "gloss", "word+gloss"])
def test_label_vectors_are_unit_means_of_known_words(form):
    for space in (None, SYNONYMS):
        emb_CD = labels(LabelVectors, text=form)(space).emb_CD.numpy()
        want, _ = CONTEXT.lexicon.phrases(label_texts(space or CONTEXT.space, form))
        np.testing.assert_allclose(emb_CD, unit(want), atol=1e-6)


def test_label_projection_keeps_cosines_at_first_and_is_trained():
    encoder = labels(LabelVectors, width=16)
    emb_CD, plain = encoder().emb_CD, labels(LabelVectors)().emb_CD
    assert encoder.width == 16 and emb_CD.shape == (7, 16)
    close(emb_CD @ emb_CD.T, plain @ plain.T)
    emb_CD[0, 0].backward()
    assert [name for name, _ in encoder.named_parameters()] == ["project.weight"] and not dead(
        encoder
    )
    assert encoder(SYNONYMS).emb_CD.shape == (3, 16)


def test_tuned_label_vectors_move_and_go_along_to_another_space():
    encoder = labels(LabelVectors, tuned=True)
    encoder().emb_CD[:, 0].sum().backward()
    assert not dead(encoder)
    with torch.no_grad():
        encoder.base_CD += torch.randn_like(encoder.base_CD)
    usual_CD, other = encoder().emb_CD, encoder(SYNONYMS).emb_CD
    close(other[1], usual_CD[CONTEXT.space.words.index("neutral")])
    fixed = labels(LabelVectors)
    close(other[0], fixed(SYNONYMS).emb_CD[0])
    assert not fixed().emb_CD.requires_grad


def test_context_tokens_are_averaged_in_and_learned():
    encoder = labels(LabelVectors, context_tokens=3)
    base = encoder.base_CD.double().numpy()
    want = unit((base + encoder.context_ND.detach().double().numpy().sum(0)) / 4)
    np.testing.assert_allclose(encoder().emb_CD.detach().numpy(), want, atol=1e-6)
    encoder().emb_CD[:, 0].sum().backward()
    assert not dead(encoder)


def test_shuffled_words_are_a_fixed_derangement():
    plain, shuffled = labels(LabelVectors)().emb_CD, labels(LabelVectors, shuffle=True)().emb_CD
    order = torch.cdist(shuffled, plain).argmin(1)
    assert sorted(order.tolist()) == list(range(7)) and (order != torch.arange(7)).all()


def test_label_errors_name_the_labels():
    odd = LabelSpace("class", ("happy", "xyzzy"), ("feeling joy", "sick"))
    with pytest.raises(RequestError, match=r"'xyzzy' has a vector.*label_encoder\.text=gloss"):
        labels(LabelVectors, replace(CONTEXT, space=odd))
    assert labels(LabelVectors, replace(CONTEXT, space=odd), text="gloss")().emb_CD.shape == (2, 12)
    same = LabelSpace("class", ("happy", "happy!"), ("feeling joy", "sick"))
    with pytest.raises(RequestError, match=r"'happy' and 'happy!' have the same vector"):
        labels(LabelVectors)(same)
    twice = LabelSpace("class", ("happy", "happy"), ("feeling joy", "sick"))
    with pytest.raises(RequestError, match="have the same vector"):
        labels(LabelRandom)(twice)
    with pytest.raises(RequestError, match="--vectors FILE"):
        labels(LabelVectors, replace(CONTEXT, lexicon=None))


def test_random_labels_depend_on_the_seed_and_the_text_alone():
    encoder = labels(LabelRandom, dim=300)
    emb_CD = encoder().emb_CD
    assert encoder.width == 300 and not list(encoder.parameters())
    cosines = emb_CD @ emb_CD.T - torch.eye(7)
    assert cosines.abs().max() < 0.3  # independent directions: sd 1 / sqrt(300)
    close(encoder(SYNONYMS).emb_CD[1], emb_CD[3])  # neutral
    assert torch.equal(encoder(SYNONYMS).emb_CD, encoder(SYNONYMS).emb_CD)
    assert torch.equal(labels(LabelRandom, dim=300)().emb_CD, emb_CD)
    torch.manual_seed(1)
    other = LabelRandom(LabelRandom.Config(dim=300), CONTEXT)
    assert not torch.allclose(other().emb_CD, emb_CD)
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other().emb_CD, emb_CD)


def test_label_table_learns_and_reads_no_words():
    encoder = labels(LabelTable, width=5)
    encoder().emb_CD.sum().backward()
    assert encoder().emb_CD.shape == (7, 5) and not dead(encoder)
    assert encoder(CONTEXT.space).emb_CD is encoder.emb_CD
    with pytest.raises(RequestError, match="cannot read other labels"):
        encoder(SYNONYMS)


def test_stream_spec_is_kept():
    rows = make(WordVectors).prepare(words(["good"]))
    assert rows.spec == StreamSpec("text.tiny", "text", "words")


@pytest.mark.parametrize("layers", [1, 2])
def test_the_bilstm_is_torchs_own_on_each_row_alone(layers):
    torch.manual_seed(0)
    encoder = BiLSTM(BiLSTM.Config(width=6, layers=layers), 5).eval()
    plain = torch.nn.LSTM(5, 3, layers, batch_first=True, bidirectional=True)
    for k in range(layers):
        for tail, part in (("", encoder.onward[k]), ("_reverse", encoder.back[k])):
            for name, value in part.named_parameters():
                getattr(plain, f"{name.removesuffix('_l0')}_l{k}{tail}").data.copy_(value)
    x_BLD, mask_BL = steps = tiny.steps(37, 9, 5, missing=[4])
    mask_BL[0, 1] = False  # a hole: the LSTM never sees that step
    y_BLD = encoder(steps).x_BLD
    for row in range(37):
        assert (y_BLD[row, ~mask_BL[row]] == 0).all()
        if mask_BL[row].any():
            assert torch.allclose(
                y_BLD[row, mask_BL[row]], plain(x_BLD[row, mask_BL[row]][None])[0][0], atol=1e-6
            )
