"""C2PA manifests for finished videos: AI-generated, by which networks, from which inputs.

A manifest contains no names: weights and inputs are stated by their hashes. c2pa signs it without a
network (C2PA 2.3; source types: cv.iptc.org/newscodes/digitalsourcetype).
"""

import hashlib
import io
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Literal

from PIL import Image

from motiontransfer.errors import MissingLibraryError, ProvenanceError
from motiontransfer.provenance.credentials import Credentials
from motiontransfer.storage import replacing

ASSERTION = "motiontransfer.transfer"
"""Label of the assertion that only this project writes."""

OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": []},
}
"""c2pa's settings: whatever a file asks for, nothing is fetched."""

_MEDIA_TYPES = {".mp4": "video/mp4", ".png": "image/png"}
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
Content = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]


TransferAssertion = Mapping[str, object]
"""The networks and inputs of a transfer, as this project's assertion has them."""


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


def sha256_of(path: Path) -> str:
    """The hash of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_credentials(credentials: Credentials) -> None:
    """Sign an image of one pixel, so that an unfit certificate is refused before the work begins.

    Raises:
        MissingLibraryError: c2pa cannot be loaded on this machine.
        ProvenanceError: the certificate is not one that C2PA accepts.
    """
    image = io.BytesIO()
    Image.new("RGB", (1, 1)).save(image, "png")
    image.seek(0)
    definition = _definition("trainedAlgorithmicMedia", None)
    _sign(image, io.BytesIO(), "image/png", definition, credentials)


def sign_file(
    path: Path,
    unsigned: Path,
    assertion: TransferAssertion,
    credentials: Credentials,
    *,
    content: Content,
) -> None:
    """Write the MP4 or PNG file `unsigned` to `path`, with a manifest in it.

    The streams or pixels are copied unchanged. The manifest holds random salts:
    its bytes differ each time.

    Args:
        content: `compositeWith…`: the video also contains camera footage.

    Raises:
        MissingLibraryError: c2pa cannot be loaded on this machine.
        ProvenanceError: the certificate is not one that C2PA accepts.
    """
    definition = _definition(content, assertion)
    with (
        replacing(path) as temporary,
        unsigned.open("rb") as source,
        temporary.open("w+b") as signed,
    ):
        _sign(source, signed, _MEDIA_TYPES[path.suffix], definition, credentials)


def load_c2pa() -> ModuleType:
    """Import c2pa, whose wheels carry a native library for some platforms only.

    Raises:
        MissingLibraryError: it is not there, or not for this machine.
    """
    try:
        import c2pa
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise MissingLibraryError(
            f"c2pa-python: cannot be loaded on this machine ({reason}); install it, or set"
            " render.provenance: none to render without saying where the video comes from"
        ) from error
    return c2pa


def _definition(content: Content, assertion: TransferAssertion | None) -> dict[str, object]:
    """The manifest as c2pa takes it."""
    software = {"name": "motiontransfer", "version": version("motiontransfer")}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": _SOURCE_TYPES + content,
        "softwareAgent": software,
    }
    assertions: dict[str, object] = {"c2pa.actions.v2": {"actions": [created]}}
    if assertion is not None:
        assertions[ASSERTION] = {
            "method": "motion transfer (Chan et al. 2019, Everybody Dance Now)",
            **assertion,
        }
    return {
        "claim_generator_info": [software],
        "assertions": [
            # created, not gathered: the signer's own statement
            {"label": label, "data": data, "created": True}
            for label, data in assertions.items()
        ],
    }


def _sign(
    source: io.BufferedIOBase,
    signed: io.BufferedIOBase,
    media_type: str,
    definition: dict[str, object],
    credentials: Credentials,
) -> None:
    """Write a copy with a manifest."""
    c2pa = load_c2pa()
    signer_info = c2pa.C2paSignerInfo(
        credentials.algorithm, credentials.chain, credentials.private_key, None
    )
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(OFFLINE))
        with (
            c2pa.Signer.from_info(signer_info) as signer,
            c2pa.Builder(definition, context) as builder,
        ):
            builder.sign(signer, media_type, source, signed)
    except c2pa.C2paError.Io as error:
        raise ProvenanceError(
            "the signed copy cannot be written: the disk is full, or a limit is reached; make room,"
            " then run it again"
        ) from error
    except c2pa.C2paError as error:
        reason = " ".join(str(error).split())
        raise ProvenanceError(
            f"C2PA does not sign with this certificate ({reason}); see sec. 14.5.1 of its"
            " specification for what one must be like"
        ) from error
