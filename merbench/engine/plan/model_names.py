"""The name of a pretrained model in the place of a part that reads one: which option takes it."""

from __future__ import annotations

from merbench.api.did_you_mean import nearest
from merbench.host.catalog import Catalog


def advice(slot: str, name: str, catalog: Catalog) -> str:
    """Ends the refusal of a part's name that is like no other: of a pretrained model, it seems."""
    if catalog.kinds_of(name):
        return ""
    kind = "label-encoder" if slot == "label_encoder" else "encoder"
    if slot not in ("encoder.text", "encoder.audio", "encoder.video", "label_encoder"):
        return ""
    if "/" not in name and nearest(name, catalog.names(kind)):  # it is misspelt
        return ""
    if slot in ("encoder.audio", "encoder.video"):
        return _of_clips(slot, name, catalog)
    return f"; a pretrained text encoder is named with --text-tower {name}"


def _of_clips(slot: str, name: str, catalog: Catalog) -> str:
    """Where no plugin has an encoder for models of that modality, the way without one."""
    modality = slot.partition(".")[2]
    names = [n for n in catalog.names("encoder") if len(catalog.providers("encoder", n)) == 1]
    encoders = [catalog.component("encoder", name) for name in names]
    towers = [c.name for c in encoders if "weights" in c.pretrained and modality in c.modalities]
    if not towers:
        return (
            f"; no plugin has an encoder that reads a pretrained model of {modality}: pip install "
            f"merbench-encoders, or offer the model's features as a stream "
            f"(--stream {modality}=NAME)"
        )
    return (
        f"; a pretrained model is named with --set {slot}.model={name}, and "
        f"--encoder {modality}={' or '.join(towers)} reads it"
    )
