"""Trained networks on disk: safetensors, with what is needed to build the network in the metadata.

A teammate's weights never execute code, and a generator file alone is enough to render: it says how
the pose is drawn, which frames were held out, and what the network looks like.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.storage import replacing

FORMAT_VERSION = 1
_METADATA_KEY = "motiontransfer"


def write_weights(path: Path, network: nn.Module, *, description: Mapping[str, object]) -> None:
    """Write parameters and buffers, with a JSON description in the metadata."""
    tensors = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    # One entry only: safetensors writes several in an order that changes from run to run.
    content = {"format_version": FORMAT_VERSION, "description": dict(description)}
    metadata = {_METADATA_KEY: json.dumps(content, sort_keys=True)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_description(path: Path) -> dict[str, object]:
    """Read only the description.

    Raises:
        MissingFileError: no such file.
        WeightsError: not a weights file of ours, or of another format version.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such weights file; `dvc repro` trains it")
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {}).get(_METADATA_KEY, "{}"))
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}") from error
    if content.get("format_version") != FORMAT_VERSION:
        got = content.get("format_version")
        raise WeightsError(f"{path}: expected weights format {FORMAT_VERSION}, got {got}")
    return content["description"]


def load_weights(path: Path, network: nn.Module) -> None:
    """Load a file's tensors into a network of the same shape.

    Raises:
        WeightsError: the file's tensors do not fit the network.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: does not fit the network it describes: {reason}") from error
