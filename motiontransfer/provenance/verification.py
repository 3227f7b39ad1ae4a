"""Verification of C2PA manifests: c2pa's verdict, and what the manifest says.

Nothing is fetched, neither lists of trusted authorities nor revocations. What a manifest says is
anybody's text: its form is validated, and control characters are replaced before it is shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AliasPath, BaseModel, Field, ValidationError

from motiontransfer.core.errors import ProvenanceError, one_line, printable
from motiontransfer.provenance.signing import ASSERTION, SELF_SIGNED, load_c2pa, offline_context
from motiontransfer.video.container import open_input

_UNTRUSTED = "signingCredential.untrusted"  # always: there is no list of trusted authorities
_GENERATED = "trainedalgorithmicmedia"  # the end of composite…, too
_GENERATOR, _SIGNATURE = "claim_generator_info", "signature_info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A failed check, by C2PA's code and in c2pa's words."""

    code: str
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    integrity: Literal["unaltered", "not valid"]
    """`not valid`: the file or its manifest are not what was signed, or the certificate has expired
    or was never fit for it."""
    reasons: tuple[Reason, ...]
    """Reasons why it is not valid."""
    signer: str
    """Name in the certificate, and its organization; no authority confirms it."""
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


class _Action(BaseModel):
    source_type: str | None = Field(None, alias="digitalSourceType")


class _Actions(BaseModel):
    actions: list[_Action] = []


class _Manifest(BaseModel):
    assertions: list[_Assertion] = []
    software: str | None = Field(None, validation_alias=AliasPath(_GENERATOR, 0, "name"))
    version: str | None = Field(None, validation_alias=AliasPath(_GENERATOR, 0, "version"))
    signer: str | None = Field(None, validation_alias=AliasPath(_SIGNATURE, "common_name"))
    organization: str | None = Field(None, validation_alias=AliasPath(_SIGNATURE, "issuer"))


class _Report(BaseModel):
    """c2pa's report on a file, as far as it is used."""

    active_manifest: str
    manifests: dict[str, _Manifest]
    failed: list[Reason] = Field(
        default=[], validation_alias=AliasPath("validation_results", "activeManifest", "failure")
    )
    validation_state: str | None = None


def read_provenance(path: Path) -> Provenance | None:
    """Read a file's manifest and verify it; None where there is none.

    Raises:
        VideoError: it is no video.
        ProvenanceError: the manifest cannot be read.
    """
    with open_input(path):
        pass
    text = _report_text(path)
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
    is_valid = report.validation_state in ("Valid", "Trusted")
    own = (item.data for item in manifest.assertions if item.label == ASSERTION)
    return Provenance(
        integrity="unaltered" if is_valid else "not valid",
        reasons=tuple(check for check in report.failed if check.code != _UNTRUSTED),
        signer=", ".join(dict.fromkeys(filter(None, (manifest.signer, manifest.organization)))),
        software=" ".join(filter(None, (manifest.software, manifest.version))),
        source_type=source_type,
        assertion=next((data for data in own if isinstance(data, dict)), {}),
    )


def _report_text(path: Path) -> str | None:
    c2pa = load_c2pa()
    try:
        with path.open("rb") as file, c2pa.Reader(None, file, context=offline_context()) as reader:
            return reader.json()
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        reason = printable(one_line(error))
        fault = "altered or damaged: its C2PA manifest cannot be read"
        if reason.startswith("Remote"):
            fault = "its C2PA manifest is not in the file, and nothing is fetched"
        raise ProvenanceError(f"{path}: {fault} ({reason})") from error


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


def provenance_lines(provenance: Provenance | None) -> list[str]:
    """Lines of a table of a file's origin, a word and a sentence each."""
    return [f"  {word:<10}{printable(text)}" for word, text in _rows(provenance)]


def _rows(provenance: Provenance | None) -> Iterator[tuple[str, str]]:
    if provenance is None:
        yield "origin", "unknown: there is no C2PA manifest in it"
        yield "", "which proves nothing: most ways to edit or share a video drop it"
        return
    altered = "NOT VALID: altered since it was signed, or its certificate does not count"
    is_valid = provenance.integrity == "unaltered"
    yield "content", "unaltered since it was signed" if is_valid else altered
    for reason in provenance.reasons:
        yield "", f"{reason.explanation} ({reason.code})"
    kind = provenance.source_type or "no source type"
    claim = "AI-generated" if provenance.is_generated else "not said to be AI-generated"
    yield "origin", f"{claim} ({kind}), says its C2PA manifest, written by {provenance.software}"
    by = "a self-signed certificate" if SELF_SIGNED in provenance.signer else provenance.signer
    yield "signed", f"by {by}: no authority was asked who that is"
    networks, source = (provenance.assertion.get(name) for name in ("networks", "source"))
    for network in networks if isinstance(networks, list) else []:
        if isinstance(network, dict):
            architecture, weights = (network.get(k) for k in ("architecture", "weights_sha256"))
            yield str(network.get("role")), f"{architecture}, weights SHA-256 {weights}"
    word = "source"
    for key, value in source.items() if isinstance(source, dict) else ():
        yield word, f"{key.removesuffix('_sha256')} SHA-256 {value}"
        word = ""
    if isinstance(scene := provenance.assertion.get("scene"), dict):
        yield "scene", f"a person {scene.get('person')} in film SHA-256 {scene.get('film_sha256')}"
        targets = scene.get("target_sha256")
        for target in targets if isinstance(targets, list) else ():
            yield "", f"by whom film or photo SHA-256 {target} shows"
