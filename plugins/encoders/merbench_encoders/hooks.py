"""What this package offers to merbench. Imports no torch."""

from merbench.api import Component, hookimpl

WORDS = ("words", "strings")


def _encoder(name, target, accepts, summary, pretrained=(), **more):
    return Component(
        kind="encoder",
        name=name,
        target=f"merbench_encoders.{target}",
        accepts=accepts,
        summary=summary,
        pretrained=pretrained,
        **more,
    )


def _tower(name, target, accepts, summary, version=1):
    """A pretrained network. Raise its version when the same weights and settings would give other
    outputs: the cache holds the old ones.
    """
    return _encoder(name, target, accepts, summary, ("weights",), version=version)


def _labels(name, target, summary, pretrained=(), **more):
    return Component(
        kind="label-encoder",
        name=name,
        target=f"merbench_encoders.{target}",
        summary=summary,
        pretrained=pretrained,
        **more,
    )


@hookimpl
def merbench_components():
    vectors, weights, inside = ("vectors",), ("weights",), ("language_model",)
    yield _encoder(
        "word-ids", "word_ids:WordIds", WORDS, "words as numbers, for methods that count them"
    )
    yield _encoder(
        "word-vectors",
        "word_vectors:WordVectors",
        WORDS,
        "each word's vector, all files of the run side by side",
        vectors,
    )
    yield _encoder(
        "word-bilstm",
        "word_bilstm:WordBiLSTM",
        WORDS,
        "word vectors, then a trained BiLSTM",
        vectors,
    )
    yield _encoder(
        "word-transformer",
        "word_transformer:WordTransformer",
        WORDS,
        "word vectors, then a small trained transformer",
        vectors,
    )
    yield _encoder("features", "features:Features", ("features",), "a feature stream as it is")
    yield _encoder(
        "feature-bilstm",
        "feature_bilstm:FeatureBiLSTM",
        ("features",),
        "a trained BiLSTM over features",
    )
    yield _encoder(
        "feature-transformer",
        "feature_transformer:FeatureTransformer",
        ("features",),
        "a small transformer over features",
    )
    yield _tower(
        "clip-text",
        "clip_text:ClipText",
        ("strings",),
        "CLIP's text tower on the transcript, token states as steps",
        version=2,
    )
    yield _tower(
        "clip-image",
        "clip_image:ClipImage",
        ("clip",),
        "CLIP's image tower on frames of a clip",
        version=3,
    )
    yield _tower(
        "clap", "clap:Clap", ("clip",), "CLAP's audio tower on windows of a clip's sound", version=2
    )
    yield _tower(
        "hf-text",
        "hf_text:HfText",
        ("strings",),
        "a transformers text encoder (BERT, RoBERTa, MiniLM, ...)",
        version=2,
    )
    yield _encoder(
        "hf-inside",
        "hf_inside:HfInside",
        ("strings",),
        "a transformers text encoder for methods that work inside it",
        weights,
        provides=inside,
    )
    yield _encoder(
        "hf-masked",
        "hf_masked:HfMasked",
        ("strings",),
        "a masked language model for methods that work inside it and predict words",
        weights,
        provides=inside,
    )
    yield _tower(
        "hf-audio",
        "hf_audio:HfAudio",
        ("clip",),
        "wav2vec 2.0, HuBERT or WavLM frames of a clip's sound",
        version=2,
    )
    yield _encoder(
        "log-mel",
        "log_mel:LogMel",
        ("clip",),
        "log-mel spectrum or MFCC of a clip's sound; no weights",
        version=1,
    )
    yield _encoder(
        "opensmile",
        "open_smile:OpenSmile",
        ("clip",),
        "openSMILE's eGeMAPS or ComParE features of a clip's sound; no weights",
        version=1,
    )

    yield _labels(
        "label-vectors", "label_vectors:LabelVectors", "word vectors of the label texts", vectors
    )
    yield _labels(
        "label-random", "label_vectors:LabelRandom", "control: a random unit vector a label"
    )
    yield _labels(
        "label-table",
        "label_table:LabelTable",
        "a learned vector a label",
        known_failures={
            "another label space": "its vectors are learned for the run's own labels "
            "and read no words"
        },
    )
    yield _labels(
        "label-clip", "label_clip:LabelClip", "CLIP's text tower on the label texts", weights
    )
    yield _labels(
        "label-hf", "label_hf:LabelHf", "a transformers text encoder on the label texts", weights
    )
    yield _labels(
        "label-towers",
        "label_towers:LabelTowers",
        "another label encoder for each modality",
        (*vectors, *weights),
        provides=("by_modality",),
    )
