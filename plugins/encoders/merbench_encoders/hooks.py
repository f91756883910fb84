"""What this package offers to merbench. Imports no torch."""

from merbench.api import Component, hookimpl

WORDS = ("words", "strings")
VECTORS, WEIGHTS, INSIDE = ("vectors",), ("weights",), ("language_model",)
SOUND, PICTURES = ("audio",), ("video",)


def _encoder(name, target, accepts, summary, pretrained=(), **declared):
    return Component(
        kind="encoder",
        name=name,
        target=f"merbench_encoders.{target}",
        accepts=accepts,
        summary=summary,
        pretrained=pretrained,
        **declared,
    )


def _tower(name, target, accepts, summary, version=1, **declared):
    """A pretrained network. Raise its version when the same weights and settings would give other
    outputs: the cache holds the old ones.
    """
    return _encoder(name, target, accepts, summary, WEIGHTS, version=version, **declared)


def _labels(name, target, summary, pretrained=(), **declared):
    return Component(
        kind="label-encoder",
        name=name,
        target=f"merbench_encoders.{target}",
        summary=summary,
        pretrained=pretrained,
        **declared,
    )


@hookimpl
def merbench_components():
    yield from _words()
    yield from _features()
    yield from _towers()
    yield from _sound()
    yield from _label_encoders()


def _words():
    yield _encoder(
        "word-ids", "words.ids:WordIds", WORDS, "words as numbers, for methods that count them"
    )
    yield _encoder(
        "word-vectors",
        "words.vectors:WordVectors",
        WORDS,
        "each word's vector, all files of the run side by side",
        VECTORS,
    )
    yield _encoder(
        "word-bilstm",
        "words.bilstm:WordBiLSTM",
        WORDS,
        "word vectors, then a trained BiLSTM",
        VECTORS,
    )
    yield _encoder(
        "word-transformer",
        "words.transformer:WordTransformer",
        WORDS,
        "word vectors, then a small trained transformer",
        VECTORS,
    )


def _features():
    yield _encoder(
        "features", "features.features:Features", ("features",), "a feature stream as it is"
    )
    yield _encoder(
        "feature-bilstm",
        "features.bilstm:FeatureBiLSTM",
        ("features",),
        "a trained BiLSTM over features",
    )
    yield _encoder(
        "feature-transformer",
        "features.transformer:FeatureTransformer",
        ("features",),
        "a small transformer over features",
    )


def _towers():
    yield _tower(
        "clip-text",
        "clip.text:ClipText",
        ("strings",),
        "CLIP's text tower on the transcript, token states as steps",
        version=2,
    )
    yield _tower(
        "clip-image",
        "clip.image:ClipImage",
        ("clip",),
        "CLIP's image tower on frames of a clip",
        modalities=PICTURES,
        version=6,
    )
    yield _tower(
        "clap",
        "hf.clap:Clap",
        ("clip",),
        "CLAP's audio tower on windows of a clip's sound",
        modalities=SOUND,
        version=3,
    )
    yield _tower(
        "hf-text",
        "hf.text:HfText",
        ("strings",),
        "a transformers text encoder (BERT, RoBERTa, MiniLM, ...)",
        version=3,
    )
    yield _encoder(
        "hf-inside",
        "hf.inside:HfInside",
        ("strings",),
        "a transformers text encoder for methods that work inside it",
        WEIGHTS,
        provides=INSIDE,
    )
    yield _encoder(
        "hf-masked",
        "hf.masked:HfMasked",
        ("strings",),
        "a masked language model for methods that work inside it and predict words",
        WEIGHTS,
        provides=INSIDE,
    )
    yield _tower(
        "hf-audio",
        "hf.audio:HfAudio",
        ("clip",),
        "wav2vec 2.0, HuBERT or WavLM frames of a clip's sound",
        modalities=SOUND,
        version=3,
    )


def _sound():
    yield _encoder(
        "log-mel",
        "sound.log_mel:LogMel",
        ("clip",),
        "log-mel spectrum or MFCC of a clip's sound; no weights",
        modalities=SOUND,
        version=3,
    )
    yield _encoder(
        "opensmile",
        "sound.open_smile:OpenSmile",
        ("clip",),
        "openSMILE's eGeMAPS or ComParE features of a clip's sound; no weights",
        modalities=SOUND,
        version=3,
    )


def _label_encoders():
    yield _labels(
        "label-vectors", "labels.vectors:LabelVectors", "word vectors of the label texts", VECTORS
    )
    yield _labels(
        "label-random", "labels.vectors:LabelRandom", "control: a random unit vector a label"
    )
    yield _labels(
        "label-table",
        "labels.table:LabelTable",
        "a learned vector a label",
        known_failures={
            "another label space": "its vectors are learned for the run's own labels "
            "and read no words"
        },
    )
    yield _labels(
        "label-clip", "labels.clip:LabelClip", "CLIP's text tower on the label texts", WEIGHTS
    )
    yield _labels(
        "label-hf", "labels.hf:LabelHf", "a transformers text encoder on the label texts", WEIGHTS
    )
    yield _labels(
        "label-towers",
        "labels.towers:LabelTowers",
        "another label encoder for each modality",
        (*VECTORS, *WEIGHTS),
        provides=("by_modality",),
    )
