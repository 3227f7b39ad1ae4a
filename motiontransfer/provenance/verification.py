"""Verification of C2PA manifests: integrity of the content, the signer, and trust in the signer.

Nothing is fetched, neither lists of trusted authorities nor revocations: the caller names whom to
trust. What a manifest says is anybody's text: its form is validated, and control characters are
replaced before it is shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AliasPath, BaseModel, Field, ValidationError

from motiontransfer.core.errors import ProvenanceError, one_line, printable
from motiontransfer.provenance.signing import (
    ASSERTION,
    OFFLINE,
    SELF_SIGNED,
    certificates_pem,
    load_c2pa,
    read_certificates,
    self_signed_file,
)
from motiontransfer.video.reader import open_input

SignerTrust = Literal["trusted", "own", "self-signed", "unknown"]
Integrity = Literal["unaltered", "altered", "not credible"]

_TRUSTED = "signingCredential.trusted"
_UNTRUSTED = "signingCredential.untrusted"
_GENERATOR, _SIGNATURE = "claim_generator_info", "signature_info"
_RESULTS = ("validation_results", "activeManifest")
_GENERATED = "trainedalgorithmicmedia"  # the end of composite…, too
_OF_CREDENTIAL = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")
_UNSIGNED = (
    ("origin", "unknown: there is no C2PA manifest in it"),
    ("", "which proves nothing: most ways to edit or share a video drop it"),
)
_INTEGRITY_TEXTS: dict[Integrity, str] = {
    "unaltered": "unaltered since it was signed",
    "altered": "ALTERED since it was signed: what it says need not be true of it",
    "not credible": "as it was signed, but not with a certificate that counts",
}
_REASON_TEXTS = {
    "assertion.bmffHash.mismatch": "frames, sound or index are not those that were signed",
    "assertion.hashedURI.mismatch": "what the manifest says is not what was signed",
    "claimSignature.mismatch": "the signature does not fit the manifest",
    "claimSignature.outsideValidity": "the certificate was not valid when it signed, or is no more",
    "signingCredential.expired": "the certificate has expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signer, as named in the certificate."""

    name: str
    organisation: str
    trust: SignerTrust
    """`trusted`: one of the caller's authorities issued the certificate; `own`: it is this
    machine's self-signed one; `self-signed`: another machine's; `unknown`: any other."""


class Reason(BaseModel, frozen=True, populate_by_name=True):
    """A check, passed or failed, by C2PA's code and in c2pa's words."""

    code: str
    text: str | None = Field(None, alias="explanation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    integrity: Integrity
    """`altered`: file or manifest are not what was signed; `not credible`: they are, but with a
    certificate that has expired or was never fit for it."""
    reasons: tuple[Reason, ...]
    """Reasons why it is not `unaltered`."""
    signer: Signer
    software: str
    """Name and version of what wrote the manifest."""
    source_type: str | None
    """IPTC digital source type, e.g. trainedAlgorithmicMedia."""
    assertion: dict[str, object]
    """This project's own one, networks and source; else empty."""

    @property
    def is_generated(self) -> bool:
        """True if it declares AI-generated content, in whole or in part."""
        return self.source_type is not None and _GENERATED in self.source_type.lower()


class _Assertion(BaseModel):
    label: str
    data: object = None


class _Actions(BaseModel):
    class _Action(BaseModel):
        source_type: str | None = Field(default=None, alias="digitalSourceType")

    actions: list[_Action] = []


class _Manifest(BaseModel):
    assertions: list[_Assertion] = []
    software: str | None = Field(None, validation_alias=AliasPath(_GENERATOR, 0, "name"))
    version: str | None = Field(None, validation_alias=AliasPath(_GENERATOR, 0, "version"))
    signer: str | None = Field(None, validation_alias=AliasPath(_SIGNATURE, "common_name"))
    organisation: str | None = Field(None, validation_alias=AliasPath(_SIGNATURE, "issuer"))


class _Report(BaseModel):
    """c2pa's report on a file, as far as it is used."""

    active_manifest: str
    manifests: dict[str, _Manifest]
    passed: list[Reason] = Field(default=[], validation_alias=AliasPath(*_RESULTS, "success"))
    failed: list[Reason] = Field(default=[], validation_alias=AliasPath(*_RESULTS, "failure"))
    validation_state: str | None = None

    @property
    def is_trusted(self) -> bool:
        return any(check.code == _TRUSTED for check in self.passed)


def read_provenance(path: Path, *, trusted: Path | None = None) -> Provenance | None:
    """Read a file's manifest and verify it; None where there is none. `trusted`: authorities, PEM.

    Raises:
        ProvenanceError: the manifest cannot be read, or `trusted` holds no certificates.
    """
    with open_input(path):  # raises VideoError where it is no video
        pass
    text = _report_text(path, trusted)
    if text is None:
        return None
    try:
        report = _Report.model_validate_json(text)
        manifest = report.manifests[report.active_manifest]
        source_type = _source_type(report)
    except (ValidationError, KeyError) as error:
        raise ProvenanceError(
            f"{path}: altered or damaged: its C2PA manifest is not as C2PA defines it"
        ) from error
    integrity, reasons = _integrity(report)
    found = [item.data for item in manifest.assertions if item.label == ASSERTION]
    return Provenance(
        integrity=integrity,
        reasons=reasons,
        signer=Signer(
            name=manifest.signer or "",
            organisation=manifest.organisation or "",
            trust=_signer_trust(path, report, manifest.organisation),
        ),
        software=" ".join(filter(None, (manifest.software, manifest.version))),
        source_type=source_type,
        assertion=next((data for data in found if isinstance(data, dict)), {}),
    )


def provenance_lines(provenance: Provenance | None) -> list[str]:
    """Lines of a table of a file's origin, a word and a sentence each."""
    rows = _UNSIGNED if provenance is None else _rows(provenance)
    return [f"  {word:<10}{printable(text)}" for word, text in rows]


def _report_text(path: Path, trusted: Path | None) -> str | None:
    c2pa = load_c2pa()
    settings: dict[str, object] = dict(OFFLINE)
    if trusted is not None:  # without whatever else is in that file
        anchors = certificates_pem(read_certificates(trusted)).decode("ascii")
        settings["trust"] = {"trust_anchors": anchors}
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        with path.open("rb") as file, c2pa.Reader(None, file, context=context) as reader:
            return reader.json()
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        reason = printable(one_line(error))
        fault = "altered or damaged: its C2PA manifest cannot be read"
        if reason.startswith("Remote"):
            fault = "its C2PA manifest is not in the file, and nothing is fetched"
        raise ProvenanceError(f"{path}: {fault} ({reason})") from error


def _integrity(report: _Report) -> tuple[Integrity, tuple[Reason, ...]]:
    failures = tuple(check for check in report.failed if check.code != _UNTRUSTED)
    if any(not check.code.startswith(_OF_CREDENTIAL) for check in failures):
        return "altered", failures
    if failures or report.validation_state not in ("Valid", "Trusted"):
        return "not credible", failures
    return "unaltered", ()


def _signer_trust(path: Path, report: _Report, organisation: str | None) -> SignerTrust:
    if report.is_trusted:
        return "trusted"
    own = self_signed_file()
    if own.exists():
        text = _report_text(path, own)
        if text is not None and _Report.model_validate_json(text).is_trusted:
            return "own"
    return "self-signed" if organisation == SELF_SIGNED else "unknown"


def _source_type(report: _Report) -> str | None:
    """The last part of a source type's address: the first that is generated, else the first.

    Manifests of what a video was edited from are in the report, too, and count as well.
    """
    found = [
        action.source_type.rpartition("/")[2]
        for manifest in report.manifests.values()
        for assertion in manifest.assertions
        if assertion.label.startswith("c2pa.actions")
        for action in _Actions.model_validate(assertion.data).actions
        if action.source_type is not None
    ]
    generated = (kind for kind in found if _GENERATED in kind.lower())
    return next(generated, found[0] if found else None)


def _rows(provenance: Provenance) -> Iterator[tuple[str, str]]:
    yield "content", _INTEGRITY_TEXTS[provenance.integrity]
    for reason in provenance.reasons:
        yield "", _REASON_TEXTS.get(reason.code, f"{reason.text or ''} ({reason.code})")
    kind = provenance.source_type or "no source type"
    claim = "AI-generated" if provenance.is_generated else "not said to be AI-generated"
    yield "origin", f"{claim} ({kind}), says its C2PA manifest, written by {provenance.software}"
    yield "signed", _signed_by(provenance.signer)
    yield from _assertion_rows(provenance.assertion)


def _signed_by(signer: Signer) -> str:
    name = signer.name
    if signer.organisation not in ("", name):
        name = f"{name} ({signer.organisation})"
    texts: dict[SignerTrust, str] = {
        "trusted": f"by {name}; an authority that you trust issued the certificate",
        "own": "by this machine's self-signed certificate: no authority vouches for it",
        "self-signed": "by another machine's self-signed certificate: no authority vouches for it",
        "unknown": f"by {name}, it says; no authority that you trust vouches for it (--trust)",
    }
    return texts[signer.trust]


def _assertion_rows(assertion: dict[str, object]) -> Iterator[tuple[str, str]]:
    networks, source = assertion.get("networks"), assertion.get("source")
    for network in networks if isinstance(networks, list) else []:
        if isinstance(network, dict):
            architecture, weights = (network.get(k) for k in ("architecture", "weights_sha256"))
            yield str(network.get("role")), f"{architecture}, weights SHA-256 {weights}"
    word = "source"
    for key, value in source.items() if isinstance(source, dict) else ():
        yield word, f"{key.removesuffix('_sha256')} SHA-256 {value}"
        word = ""
