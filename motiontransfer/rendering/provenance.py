"""What a video says of its own origin: a signed C2PA manifest inside the file.

Hides c2pa. The manifest says that the picture was generated, by which networks, and from which
source; it names nobody. It follows from the file, the statement and the certificate alone: no time,
no random numbers, no network (C2PA 2.3; source types: cv.iptc.org/newscodes/digitalsourcetype).
"""

import hashlib
import io
import json
import mmap
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Literal

from PIL import Image

from motiontransfer.errors import MissingLibraryError, ProvenanceError
from motiontransfer.rendering.credentials import Credentials
from motiontransfer.rendering.manifest_salts import without_chance
from motiontransfer.storage import replacing

ASSERTION = "motiontransfer.transfer"
"""Label of the part of the manifest that only we write."""

OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": []},
}
"""c2pa's settings: whatever a file asks for, nothing is fetched."""

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
Content = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedNetwork:
    """A network that painted."""

    role: str
    """generator, or face."""
    architecture: str
    weights_sha256: str
    """Of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """From what a transfer was made."""

    networks: Sequence[UsedNetwork]
    source_frames_sha256: str
    """Of the frame store of the source clip."""
    source_keypoints_sha256: str
    """Of the poses of the source clip."""


def sha256_of(path: Path) -> str:
    """The hash of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_credentials(credentials: Credentials) -> None:
    """Sign a picture of one pixel, so that a certificate which will not do is known beforehand.

    Raises:
        MissingLibraryError: c2pa cannot be loaded on this machine.
        ProvenanceError: the certificate is not one that C2PA accepts.
    """
    picture = io.BytesIO()
    Image.new("RGB", (1, 1)).save(picture, "png")
    picture.seek(0)
    definition = _definition("trainedAlgorithmicMedia", None)
    _sign(picture, io.BytesIO(), "image/png", definition, credentials)


def sign_video(
    path: Path, unsigned: Path, statement: Statement, credentials: Credentials, *, content: Content
) -> None:
    """Write the MP4 file `unsigned` to `path`, with a manifest in it.

    Args:
        content: `compositeWith…`: there is camera footage in the picture, too.

    Raises:
        MissingLibraryError: c2pa cannot be loaded on this machine.
        ProvenanceError: the certificate is not one that C2PA accepts.
    """
    definition = _definition(content, statement)
    inputs = (sha256_of(unsigned), json.dumps(definition), credentials.chain)
    name = uuid.UUID(bytes=hashlib.sha256("".join(inputs).encode()).digest()[:16], version=4)
    definition |= {"label": f"urn:c2pa:{name}", "instance_id": f"xmp:iid:{name}"}
    with replacing(path) as temporary, unsigned.open("rb") as source:
        with temporary.open("w+b") as file:
            drawn, settled = _sign(source, file, "video/mp4", definition, credentials)
        with temporary.open("r+b") as file, mmap.mmap(file.fileno(), 0) as video:
            start = video.find(drawn)
            assert start >= 0
            video[start : start + len(drawn)] = settled


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


def _definition(content: Content, statement: Statement | None) -> dict[str, object]:
    """The manifest as c2pa takes it."""
    software = {"name": "motiontransfer", "version": version("motiontransfer")}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": _SOURCE_TYPES + content,
        "softwareAgent": software,
    }
    assertions: dict[str, object] = {"c2pa.actions.v2": {"actions": [created]}}
    if statement is not None:
        assertions[ASSERTION] = _as_json(statement)
    return {
        "claim_generator_info": [software],
        "assertions": [
            # created: it is the signer who says so, not somebody whom they quote
            {"label": label, "data": data, "created": True}
            for label, data in assertions.items()
        ],
    }


def _as_json(statement: Statement) -> dict[str, object]:
    return {
        "method": "motion transfer (Chan et al. 2019, Everybody Dance Now)",
        "networks": [
            {
                "role": network.role,
                "architecture": network.architecture,
                "weights_sha256": network.weights_sha256,
            }
            for network in statement.networks
        ],
        "source": {
            "frames_sha256": statement.source_frames_sha256,
            "keypoints_sha256": statement.source_keypoints_sha256,
        },
    }


def _sign(
    source: io.BufferedIOBase,
    signed: io.BufferedIOBase,
    media_type: str,
    definition: dict[str, object],
    credentials: Credentials,
) -> tuple[bytes, bytes]:
    """Write a copy with a manifest; return that, and what to write in its place."""
    c2pa = load_c2pa()
    signatures: list[tuple[bytes, bytes]] = []

    def sign(claim: bytes) -> bytes:
        signatures.append((claim, credentials.sign(claim)))
        return signatures[-1][1]

    try:
        algorithm = c2pa.C2paSigningAlg[credentials.algorithm]
        context = c2pa.Context(c2pa.Settings.from_dict(OFFLINE))
        with (
            c2pa.Signer.from_callback(sign, algorithm, credentials.chain) as signer,
            c2pa.Builder(definition, context) as builder,
        ):
            manifest = builder.sign(signer, media_type, source, signed)
    except c2pa.C2paError as error:
        reason = " ".join(str(error).split())
        raise ProvenanceError(
            f"C2PA does not sign with this certificate ({reason}); see sec. 14.5.1 of its"
            " specification for what one must be like"
        ) from error
    ((claim, signature),) = signatures
    settled = without_chance(manifest, claim=claim, signature=signature, sign=credentials.sign)
    return manifest, settled
