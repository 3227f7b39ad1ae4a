"""Appearance of a target on disk."""

from dataclasses import asdict
from pathlib import Path

from motiontransfer.core.errors import WeightsError
from motiontransfer.core.tensor_files import read_arrays, read_described, write_arrays
from motiontransfer.puppet.appearance import (
    Appearance,
    PackedAppearance,
    pack_appearance,
    unpack_appearance,
)


def write_appearance(path: Path, appearance: Appearance) -> None:
    """Write how a target looks."""
    arrays, packed = pack_appearance(appearance)
    write_arrays(path, arrays, description={"appearance": asdict(packed)})


def read_appearance(path: Path) -> Appearance:
    """Read a target's appearance.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
        WeightsError: it holds no appearance, or none that `write_appearance` wrote.
    """
    packed = read_described(path, "appearance", PackedAppearance)
    try:
        return unpack_appearance(read_arrays(path), packed)
    except (KeyError, TypeError, ValueError) as error:  # numpy has no bfloat16
        raise WeightsError(
            f"{path}: its appearance was not written by motiontransfer: "
            f"{type(error).__name__}: {error}"
        ) from error
