"""Names for people: what a metric is called, its unit, and whether more of it is better.

Hides the one table of metrics. What is not in it is spelt out from its own name, so that a new
metric is shown, without an arrow, before anyone edits this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_MINUS = "\N{MINUS SIGN}"

Better = Literal["higher", "lower", "near one", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is measured."""

    label: str
    """What people call it."""

    unit: str = ""
    """Its unit; empty for a plain number."""

    better: Better = "unknown"
    """Which way is up."""


_LEVELS = "of 255"
_QUANTITIES = {
    "l1": Quantity(label="L1", unit=_LEVELS, better="lower"),
    "psnr": Quantity(label="PSNR", unit="dB", better="higher"),
    "ssim": Quantity(label="SSIM", better="higher"),
    "ssim_aligned": Quantity(label="SSIM apart from place", better="higher"),
    "ms_ssim": Quantity(label="MS-SSIM", better="higher"),
    "lpips": Quantity(label="LPIPS", better="lower"),
    "dists": Quantity(label="DISTS", better="lower"),
    "fid": Quantity(label="FID", better="lower"),
    "kid": Quantity(label="KID", better="lower"),
    "pck_10_percent": Quantity(label="Joints within 10 % of the head's size", better="higher"),
    "pck_20_percent": Quantity(label="Joints within 20 % of the head's size", better="higher"),
    "pose_distance_px": Quantity(
        label="Distance of the pose found again", unit="px", better="lower"
    ),
    "intended_distance_px": Quantity(
        label="Distance to the intended pose", unit="px", better="lower"
    ),
    "body_found": Quantity(label="Share of frames with a body", better="higher"),
    "missed_detections": Quantity(label="Detections missed", unit="a frame", better="lower"),
    "missed": Quantity(label="Detections missed", better="lower"),
    "missed_joints_per_frame": Quantity(label="Joints missed", unit="a frame", better="lower"),
    "background_flicker": Quantity(label="Flicker of the background", unit=_LEVELS, better="lower"),
    "warping_error": Quantity(label="Warping error, whole frame", better="lower"),
    "warping_error_person": Quantity(label="Warping error, person's box", better="lower"),
    "warping_error_own_flow": Quantity(label="Warping error along its own flow", better="lower"),
    "warping_error_person_own_flow": Quantity(
        label="Warping error along its own flow, person's box", better="lower"
    ),
    "frame_change_to_source": Quantity(
        label="Change from frame to frame, the source's = 1", better="near one"
    ),
    "frame_change_to_truth": Quantity(
        label="Change from frame to frame, the truth's = 1", better="near one"
    ),
    "frame_change_to_real": Quantity(
        label="Change from frame to frame, the real one's = 1", better="near one"
    ),
    "distance_to_training": Quantity(label="Distance to the nearest real frame", unit=_LEVELS),
}
_NAMES = {
    "ours": "this run",
    "nearest_neighbours": "nearest neighbours",
    "frame_by_frame": "frame by frame",
    "previous_real_frame": "the real frame before",
    "frame": "whole frame",
    "person": "person's box",
    "all": "all joints",
}
_UNITS = {"_px": "px", "_seconds": "s", "_percent": "%"}


def name_of(key: str) -> str:
    """What people call a method, a region or a group of joints."""
    return _NAMES.get(key, key.replace("_", " "))


def is_metric(key: str) -> bool:
    """Whether a key names something that is measured, and not who or where."""
    return key in _QUANTITIES


def describe(path: Sequence[str]) -> Quantity:
    """Say what stands at a path of a metrics tree: `("person", "ssim")` is an SSIM.

    The last key that names a metric decides; without one, the last key is spelt out.
    """
    for key in reversed(path):
        if key in _QUANTITIES:
            return _QUANTITIES[key]
    return _spelt_out(path[-1])


def describe_column(column: str) -> Quantity:
    """Say what a column of the table of frames holds: `person_ssim` is an SSIM of the person's box.

    The label says where it was measured; the longest metric's name in the column counts.
    """
    if column in _QUANTITIES:
        return _QUANTITIES[column]
    cuts = [index for index, letter in enumerate(column) if letter == "_"]
    for cut in cuts:  # the earliest cut leaves the longest name behind it
        where, key = column[:cut], column[cut + 1 :]
        if key in _QUANTITIES:
            return _placed(_QUANTITIES[key], where)
    for cut in reversed(cuts):
        key, where = column[:cut], column[cut + 1 :]
        if key in _QUANTITIES:
            return _placed(_QUANTITIES[key], where)
    return _spelt_out(column)


def number_text(value: float, *, digits: int = 4) -> str:
    """Write a number with so many significant digits; a whole one without a point."""
    if float(value).is_integer() and abs(value) < 1e15:
        text = str(int(value))
    else:
        text = f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", _MINUS, 1) if value < 0 else text


def _placed(quantity: Quantity, where: str) -> Quantity:
    label = f"{quantity.label}, {name_of(where)}"
    return Quantity(label=label, unit=quantity.unit, better=quantity.better)


def _spelt_out(key: str) -> Quantity:
    for suffix, unit in _UNITS.items():
        if key.endswith(suffix):
            return Quantity(label=_sentence(key.removesuffix(suffix)), unit=unit)
    return Quantity(label=_sentence(key))


def _sentence(key: str) -> str:
    words = name_of(key)
    return words[:1].upper() + words[1:]
