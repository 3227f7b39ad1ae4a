"""Trained networks on disk: safetensors, with what is needed to build the network in the metadata.

A teammate's weights never execute code, and a generator file alone is enough to render: it says how
the pose is drawn, which frames were held out, and what the network looks like.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from motiontransfer.checksums import array_checksum, check_arrays, damaged, seal, unseal
from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.storage import replacing

FORMAT_VERSION = 1
_METADATA_KEY = "motiontransfer"


def write_weights(path: Path, network: nn.Module, *, description: Mapping[str, object]) -> None:
    """Write parameters and buffers, with a JSON description in the metadata."""
    content = {"format_version": FORMAT_VERSION, "description": dict(description)}
    with replacing(path) as temporary:
        write_tensors(temporary, network.state_dict(), description=content)


def read_description(path: Path) -> dict[str, object]:
    """Read only the description.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file of ours.
        WeightsError: another format version.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such weights file; `dvc repro` trains it")
    with _opened(path) as file:
        content, _ = unseal(path, (file.metadata() or {}).get(_METADATA_KEY))
    if content.get("format_version") != FORMAT_VERSION:
        got = content.get("format_version")
        raise WeightsError(f"{path}: expected weights format {FORMAT_VERSION}, got {got}")
    description = content["description"]
    assert isinstance(description, dict)
    return description


def load_weights(path: Path, network: nn.Module) -> None:
    """Load a file's tensors into a network of the same shape.

    Raises:
        DamagedFileError: they are not as they were written.
        WeightsError: they do not fit the network.
    """
    tensors, _ = read_tensors(path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: does not fit the network it describes: {reason}") from error


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, description: Mapping[str, object]
) -> None:
    """Write tensors, with a JSON description and checksums in the metadata."""
    kept = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    checksums = {name: _checksum(tensor) for name, tensor in kept.items()}
    # One entry only: safetensors writes several in an order that changes from run to run.
    save_file(kept, path, metadata={_METADATA_KEY: seal(description, checksums)})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Tensors and description of a file that `write_tensors` wrote.

    Raises:
        DamagedFileError: it is not as it was written.
    """
    with _opened(path) as file:
        description, checksums = unseal(path, (file.metadata() or {}).get(_METADATA_KEY))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    check_arrays(path, {name: _checksum(tensor) for name, tensor in tensors.items()}, checksums)
    return tensors, description


@contextmanager
def _opened(path: Path) -> Generator[safe_open]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise damaged(path, f"not a safetensors file: {error}") from error


def _checksum(tensor: Tensor) -> int:
    # numpy has no bfloat16; the bytes of a tensor without axes are viewed through one of one axis
    raw = tensor.reshape(-1).view(torch.uint8).numpy()
    return array_checksum(raw, kind=f"{tensor.dtype} {tuple(tensor.shape)}")
