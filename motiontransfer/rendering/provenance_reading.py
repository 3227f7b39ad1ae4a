"""What a video says of its own origin, and how far to believe it.

Hides c2pa's report. Three questions are kept apart: whether the content is what was signed, who
signed, and who vouches for the signer. Nothing is fetched, neither lists of trusted authorities nor
revocations: whom to trust is for the caller to say.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from motiontransfer.errors import MissingFileError, ProvenanceError
from motiontransfer.media.opening import open_input
from motiontransfer.rendering.credentials import own_file
from motiontransfer.rendering.provenance import ASSERTION, OFFLINE, load_c2pa
from motiontransfer.rendering.self_made_certificate import SELF_MADE

Standing = Literal["trusted", "own", "self-made", "unknown"]
Integrity = Literal["unaltered", "altered", "not credible"]

_UNTRUSTED = "signingCredential.untrusted"
_GENERATED = "trainedalgorithmicmedia"  # the end of composite…, too
_OF_CREDENTIAL = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed, as the certificate names them."""

    name: str
    organisation: str
    standing: Standing
    """`trusted`: an authority that the caller trusts vouches for them; `own`: this machine's own
    certificate; `self-made`: some machine's own, for which nobody vouches; `unknown`: nobody whom
    the caller trusts vouches for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a check found wrong."""

    code: str
    """As C2PA names it, e.g. assertion.bmffHash.mismatch."""
    text: str
    """In c2pa's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A manifest that was found in a file."""

    integrity: Integrity
    """`altered`: file or manifest are not what was signed; `not credible`: they are, but with a
    certificate that has expired or was never fit for it."""
    reasons: tuple[Reason, ...]
    """Why it is not `unaltered`."""
    signer: Signer
    software: str
    """What wrote the manifest, with its version."""
    source_type: str | None
    """How the content came to be, a term of IPTC's, e.g. trainedAlgorithmicMedia."""
    statement: dict[str, object]
    """What only this project's manifests say: networks and source; else empty."""

    @property
    def is_generated(self) -> bool:
        """Whether it says that a trained network made it, or part of it."""
        return self.source_type is not None and _GENERATED in self.source_type.lower()


def read_provenance(path: Path, *, trusted: Path | None = None) -> Provenance | None:
    """Read a file's manifest and check it; None where there is none.

    Args:
        trusted: certificates of authorities to trust, PEM.

    Raises:
        MissingFileError: no such file.
        MissingLibraryError: c2pa cannot be loaded on this machine.
        VideoError: not a video.
        ProvenanceError: the file is damaged, or `trusted` holds no certificates.
    """
    anchors = "" if trusted is None else _certificates(trusted)
    with open_input(path):  # a file that is no video is told as such
        pass
    report = _report(path, anchors)
    if report is None:
        return None
    manifest = report["manifests"][report["active_manifest"]]
    signed_by = manifest.get("signature_info", {})
    software = (manifest.get("claim_generator_info") or [{}])[0]
    integrity, reasons = _integrity(report)
    return Provenance(
        integrity=integrity,
        reasons=reasons,
        signer=Signer(
            name=signed_by.get("common_name") or "",
            organisation=signed_by.get("issuer") or "",
            standing=_standing(path, report, signed_by.get("issuer")),
        ),
        software=" ".join(str(software.get(key, "")) for key in ("name", "version")).strip(),
        source_type=_source_type(report),
        statement=_assertions(manifest).get(ASSERTION, {}),
    )


def _report(path: Path, anchors: str) -> dict | None:
    """What c2pa says of a file, as JSON; None where there is no manifest."""
    c2pa = load_c2pa()
    settings = {**OFFLINE, **({"trust": {"trust_anchors": anchors}} if anchors else {})}
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        with path.open("rb") as file, c2pa.Reader(None, file, context=context) as reader:
            return json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        reason = " ".join(str(error).split())
        if reason.startswith("Remote"):
            raise ProvenanceError(
                f"{path}: its C2PA manifest is not in the file, and nothing is fetched ({reason})"
            ) from error
        raise ProvenanceError(
            f"{path}: altered or damaged: its C2PA manifest cannot be read ({reason})"
        ) from error


def _integrity(report: dict) -> tuple[Integrity, tuple[Reason, ...]]:
    failures = [
        failure
        for failure in report.get("validation_results", {})
        .get("activeManifest", {})
        .get("failure", [])
        if failure["code"] != _UNTRUSTED
    ]
    reasons = tuple(Reason(code=each["code"], text=each["explanation"]) for each in failures)
    if any(not failure["code"].startswith(_OF_CREDENTIAL) for failure in failures):
        return "altered", reasons
    if failures or report.get("validation_state") not in ("Valid", "Trusted"):
        return "not credible", reasons
    return "unaltered", ()


def _standing(path: Path, report: dict, organisation: str | None) -> Standing:
    if _is_trusted(report):
        return "trusted"
    own = own_file()
    if own.exists() and _is_trusted(_report(path, _certificates(own)) or {}):
        return "own"
    return "self-made" if organisation == SELF_MADE else "unknown"


def _is_trusted(report: dict) -> bool:
    found = report.get("validation_results", {}).get("activeManifest", {}).get("success", [])
    return any(success["code"] == "signingCredential.trusted" for success in found)


def _certificates(path: Path) -> str:
    """The certificates in a PEM file, without whatever else is in it."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected certificates, PEM")
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise ProvenanceError(f"{path}: expected certificates, PEM: {error}") from error
    return b"".join(one.public_bytes(Encoding.PEM) for one in found).decode("ascii")


def _assertions(manifest: dict) -> dict[str, dict]:
    return {
        item["label"]: item["data"]
        for item in manifest.get("assertions", [])
        if isinstance(item.get("data"), dict)
    }


def _source_type(report: dict) -> str | None:
    """The last word of the address of a source type: the first that says generated, or the first.

    Manifests of what a video was edited from are in it, too, and their word counts.
    """
    found = [
        str(action["digitalSourceType"]).rpartition("/")[2]
        for manifest in report["manifests"].values()
        for label, data in _assertions(manifest).items()
        if label.startswith("c2pa.actions")
        for action in data.get("actions", [])
        if "digitalSourceType" in action
    ]
    generated = (kind for kind in found if _GENERATED in kind.lower())
    return next(generated, found[0] if found else None)
