"""The assertion of a manifest: what a transfer was made by and from, by hashes."""

from collections.abc import Mapping
from pathlib import Path

from motiontransfer.storage import sha256_of

TransferAssertion = Mapping[str, object]
"""Networks and inputs of a transfer."""


def transfer_assertion(
    networks: Mapping[str, tuple[Path, str]], source: Mapping[str, Path]
) -> TransferAssertion:
    """Hashes of the networks and inputs; no names.

    Args:
        networks: weights file and architecture by role, `generator` or `face`.
        source: files that show or describe the motion by kind, `frames`, `keypoints` or `video`;
            none of a camera's.
    """
    return {
        "networks": [
            {"role": role, "architecture": architecture, "weights_sha256": sha256_of(file)}
            for role, (file, architecture) in networks.items()
        ],
        "source": {f"{kind}_sha256": sha256_of(file) for kind, file in source.items()},
    }
