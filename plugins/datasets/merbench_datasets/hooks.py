"""What this package offers to merbench. Imports no torch."""

from merbench.api import Component, hookimpl

_SOURCE = (
    "{0} comes from the CMU-MultimodalSDK (github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK) or from "
    "MMSA (github.com/thuiar/MMSA), each "
    "under its own terms. merbench data add {1} PATH takes it in any form that merbench list forms "
    "names; or make a feature folder of it "
    "(a dataset.toml, a label.csv and any number of .npz files) at $MERBENCH_DATA/{1}, "
    "or name its place with --data DIR."
)


@hookimpl
def merbench_components():
    yield Component(
        kind="dataset",
        name="mosi",
        folder="mosi",
        summary="CMU-MOSI: 2,199 opinion segments of 93 videos, sentiment in [-3, 3]",
        obtain=_SOURCE.format("CMU-MOSI", "mosi"),
    )
    yield Component(
        kind="dataset",
        name="mosei",
        folder="mosei",
        summary="CMU-MOSEI: about 22,800 opinion segments, sentiment in [-3, 3] and six emotions",
        obtain=_SOURCE.format("CMU-MOSEI", "mosei"),
    )
    yield Component(
        kind="dataset",
        name="sample",
        target="merbench_datasets.sample.data_set:Sample",
        summary=(
            "generated control set in MOSI's form, "
            "2,199 utterances whose best possible scores are known"
        ),
    )
    yield Component(
        kind="form",
        name="feature-folder",
        target="merbench_datasets.feature_folder:FeatureFolder",
        summary="a feature folder: dataset.toml, label.csv and .npz files",
    )
    for name, target, summary in (
        ("mmsa-pickle", "mmsa_pickle:MmsaPickle", "MMSA's aligned_50.pkl and unaligned_50.pkl"),
        ("mmsa-clips", "mmsa_clips:MmsaClips", "MMSA's label.csv with raw clips beside it"),
        ("mult-pickle", "mult_pickle:MultPickle", "pickles of MulT and MultiBench"),
        ("misa-pickle", "misa_pickle:MisaPickle", "pickles of MISA, one file or a folder of three"),
        (
            "csd",
            "csd.form:Csd",
            "the CMU-SDK's computational sequences (.csd) with its file of folds or a label.csv",
        ),
        ("table", "table:Table", "a csv or parquet of ids, texts and labels; MELD's csv files"),
        ("mertools", "mertools:MerTools", "folders of MERTools and MERBench: label.npz and texts"),
        ("mustard", "mustard:Mustard", "MUStARD's sarcasm_data.json"),
        ("ur-funny", "ur_funny:UrFunny", "the pickles of UR-FUNNY, version 2"),
        ("mfn-h5", "mfn_h5:MfnH5", "the HDF5 files of MFN: MOSI, MMMO, POM, YouTube"),
        (
            "tailor-pt",
            "tailor_pt:TailorPt",
            "train_valid_test.pt of TAILOR and CARAT: MOSEI's emotions",
        ),
    ):
        yield Component(
            kind="form", name=name, target=f"merbench_datasets.{target}", summary=summary
        )
