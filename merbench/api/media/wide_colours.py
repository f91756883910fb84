"""Colours of HDR and of wide gamuts (ITU-R BT.2020, BT.2100) as a usual screen shows them."""

from __future__ import annotations

import numpy as np

BT2020 = 9  # AVCOL_PRI_BT2020
PQ, HLG = 16, 18  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
WHITE = 203.0
"""cd/m² of paper white in HDR (ITU-R BT.2408): what is brighter is white."""
_SCREEN = 2.4
"""Exponent of a usual screen (BT.1886)."""
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""Linear light of BT.2020 -> BT.709 (BT.2087)."""


def usual_colours(image_HWC: np.ndarray, primaries: int, transfer: int) -> np.ndarray:
    """RGB uint8 whose values are coded by ``transfer`` for BT.2020's primaries -> as BT.709 codes
    them; other primaries as they are. Brightness above paper white and colours that BT.709 lacks
    are clipped, tone by tone.
    """
    if primaries != BT2020:
        return image_HWC
    code = np.linspace(0, 1, 256)
    light_HWC = _light(code, transfer).astype(np.float32)[image_HWC]
    if transfer == HLG:  # what a screen of 1,000 cd/m² makes of a scene (BT.2100, note 5f)
        luminance_HW1 = light_HWC @ np.array([[0.2627], [0.678], [0.0593]], np.float32)
        light_HWC = light_HWC * (1000 / WHITE) * luminance_HW1**0.2
    light_HWC = (light_HWC @ _TO_BT709.T).clip(0, 1)
    code_HWC: np.ndarray = (light_HWC ** (1 / _SCREEN) * 255).round()
    return code_HWC.astype(np.uint8)


def _light(code: np.ndarray, transfer: int) -> np.ndarray:
    """Of each code in [0, 1] the light, paper white being 1; of HLG that of the scene."""
    if transfer == PQ:
        root = code ** (1 / 78.84375)
        power = (root - 0.8359375).clip(0) / (18.8515625 - 18.6875 * root)
        return 10_000 / WHITE * power ** (1 / 0.1593017578125)
    if transfer == HLG:
        high = (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(code <= 0.5, code**2 / 3, high)
    return code**_SCREEN
