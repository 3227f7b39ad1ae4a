"""Signing of finished videos with C2PA manifests: credentials, manifest, signature.

The user's certificate and key are named by environment variables. Otherwise a self-signed one is
made once for each machine, in the user's data folder, readable by the user only. It identifies
neither user nor machine (C2PA 2.3, sec. 14.5.1). A manifest declares AI-generated content and
contains no names: weights and inputs are stated by their hashes. c2pa signs it without a network.
Source types: cv.iptc.org/newscodes/digitalsourcetype.
"""

import io
import logging
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from motiontransfer.core.errors import (
    MissingFileError,
    MissingLibraryError,
    ProvenanceError,
    one_line,
)
from motiontransfer.core.storage import replacing

if TYPE_CHECKING:
    import c2pa

CERTIFICATE_VARIABLE = "MOTIONTRANSFER_CERTIFICATE"
PRIVATE_KEY_VARIABLE = "MOTIONTRANSFER_PRIVATE_KEY"
SELF_SIGNED = "self-signed by motiontransfer"
"""Organization in a self-signed certificate: readers anywhere show it as the signer."""

ASSERTION = "motiontransfer.transfer"
"""Label of the assertion that only this project writes."""

_OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": []},
}
_MEDIA_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".png": "image/png"}
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
Content = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]

# Curve or class of a key -> signature algorithm, as C2PA names it.
_ALGORITHMS = {
    **{"Ed25519PrivateKey": "ed25519", "RSAPrivateKey": "ps256"},
    **{"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"},
}
_USAGE = ExtendedKeyUsageOID.EMAIL_PROTECTION  # one of those that C2PA accepts
_VALIDITY = timedelta(days=3650)  # without a time stamp a signature ends with its certificate
_CLOCK_SKEW = timedelta(days=1)  # machines whose clock is behind accept it at once

_Loaded = TypeVar("_Loaded")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate chain and the private key of its first certificate."""

    chain: bytes
    """Certificates, PEM: the signer's first, then each issuer of the one before."""
    private_key: bytes = field(repr=False)
    """PKCS #8 PEM."""
    algorithm: str
    """Signature algorithm, as C2PA names it."""


def load_credentials() -> Credentials:
    """Read the user's certificate and key, or this machine's self-signed ones, made if need be.

    Raises:
        MissingFileError: a file that an environment variable names is not there.
        MissingLibraryError: c2pa cannot be loaded on this machine.
        ProvenanceError: only one variable is set, or C2PA does not sign with what the files hold.
    """
    named = {name: os.environ.get(name) for name in (CERTIFICATE_VARIABLE, PRIVATE_KEY_VARIABLE)}
    certificate, key = named.values()
    if certificate and key:
        return _read(Path(certificate), Path(key))
    if certificate or key:
        unset = next(name for name, value in named.items() if not value)
        raise ProvenanceError(
            f"{unset}: not set; expected both variables, {CERTIFICATE_VARIABLE} (certificates,"
            f" PEM) and {PRIVATE_KEY_VARIABLE} (their key, PEM), or neither"
        )
    own = self_signed_file()
    if not own.exists():
        _write_self_signed(own)
    return _read(own, own)


def self_signed_file() -> Path:
    """Path of this machine's self-signed certificate and its key, in the user's data folder."""
    data_home = os.environ.get("XDG_DATA_HOME")
    folder = Path(data_home) if data_home else Path.home() / ".local/share"
    return folder / "motiontransfer/signer.pem"


def _read(certificate: Path, key: Path) -> Credentials:
    """Read both, and sign one pixel: what is unfit is refused before the work begins."""
    chain = _read_pem(certificate, "certificates, PEM", x509.load_pem_x509_certificates)
    load_key = partial(load_pem_private_key, password=None)
    private = _read_pem(key, "a private key, PEM, without a passphrase", load_key)
    is_curve = isinstance(private, EllipticCurvePrivateKey)
    kind = private.curve.name if is_curve else type(private).__name__
    if kind not in _ALGORITHMS:
        raise ProvenanceError(
            f"{key}: expected an Ed25519, P-256, P-384, P-521 or RSA key, got {kind}"
        )
    credentials = Credentials(
        chain=b"".join(one.public_bytes(Encoding.PEM) for one in chain),
        private_key=_key_pem(private),
        algorithm=_ALGORITHMS[kind],
    )
    image = io.BytesIO()
    Image.new("RGB", (1, 1)).save(image, "png")
    image.seek(0)
    advice = (
        f"valid from {chain[0].not_valid_before_utc:%Y-%m-%d} to"
        f" {chain[0].not_valid_after_utc:%Y-%m-%d}; expected one like sec. 14.5.1 of its"
        f" specification, and its key in {key}"
    )
    if certificate == self_signed_file():
        advice += "; remove this file for a new one"
    fault = f"{certificate}: C2PA does not sign with this certificate, {advice}"
    definition = _definition("trainedAlgorithmicMedia", {})
    _sign(image, io.BytesIO(), "image/png", definition, credentials, fault=fault)
    return credentials


def _read_pem(path: Path, content: str, load: Callable[[bytes], _Loaded]) -> _Loaded:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected {content}")
    try:
        return load(path.read_bytes())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ProvenanceError(f"{path}: expected {content}: {one_line(error)}") from error


def _key_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_self_signed(path: Path) -> None:
    """Make a key and certificates for it; another process that is quicker wins."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=path.parent) as file:  # only its owner can read it
            key = Ed25519PrivateKey.generate()
            file.write(_key_pem(key) + _self_signed(key))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)  # unlike a rename, it never replaces what is there
    except OSError as error:
        raise ProvenanceError(
            f"{path}: this machine's own certificate cannot be written ({error.strerror}); choose"
            " another folder by XDG_DATA_HOME, or set render.provenance: none"
        ) from error


def _self_signed(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """The key's certificate and that of a root whose own key is discarded, as PEM.

    There is a root because C2PA refuses end-entity certificates that are their own issuer.
    """
    root_key, start = Ed25519PrivateKey.generate(), datetime.now(UTC) - _CLOCK_SKEW
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")

    def subject(common_name: str) -> x509.Name:
        attributes = {NameOID.ORGANIZATION_NAME: SELF_SIGNED, NameOID.COMMON_NAME: common_name}
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])

    def certificate(name: str, public: CertificatePublicKeyTypes, *, is_root: bool) -> bytes:
        usage = x509.KeyUsage(
            digital_signature=not is_root,
            key_cert_sign=is_root,
            crl_sign=is_root,
            **dict.fromkeys((*others, "encipher_only", "decipher_only"), False),
        )
        constraints = x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(name))
            .issuer_name(subject("root"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + _VALIDITY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(constraints, critical=True)
            .add_extension(usage, critical=True)
            .add_extension(issuer, critical=False)
        )
        if not is_root:
            builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGE]), critical=False)
        return builder.sign(root_key, None).public_bytes(Encoding.PEM)

    signer = "no authority vouches for this certificate"
    return certificate(signer, key.public_key(), is_root=False) + certificate(
        "root", root_key.public_key(), is_root=True
    )


def sign_file(
    path: Path,
    unsigned: Path,
    assertion: Mapping[str, object],
    credentials: Credentials,
    *,
    content: Content,
    film: Path | None = None,
) -> None:
    """Write the MP4 or PNG file `unsigned` to `path`, with a manifest in it.

    The streams or pixels are copied unchanged. The manifest holds random salts: its bytes differ
    each time. `compositeWith…` content also contains filmed frames.

    Args:
        film: in which someone is replaced; the manifest that it may have is kept in this one.

    Raises:
        MissingLibraryError: c2pa cannot be loaded on this machine.
        ProvenanceError: it cannot be written.
    """
    definition = _definition(content, assertion)
    with (
        replacing(path) as temporary,
        unsigned.open("rb") as source,
        temporary.open("w+b") as signed,
    ):
        fault = f"{path}: cannot be signed; make room on the disk, then run it again"
        media_type = _MEDIA_TYPES[path.suffix]
        _sign(source, signed, media_type, definition, credentials, fault=fault, film=film)


@contextmanager
def signed_files(
    folder: Path,
    contents: Mapping[str, Content],
    assertion: Mapping[str, object],
    credentials: Credentials | None,
    film: Path | None = None,
) -> Generator[Path]:
    """Yield the folder for files, by name, that `folder` then has, signed where C2PA can.

    Args:
        credentials: None: unsigned, and written there at once.
        film: see `sign_file`.

    Raises:
        ProvenanceError: as `sign_file`.
    """
    if credentials is None:
        yield folder
        return
    with TemporaryDirectory(prefix="motiontransfer-") as scratch:
        yield Path(scratch)
        for name, content in contents.items():
            unsigned = Path(scratch) / name
            if unsigned.suffix in _MEDIA_TYPES:
                how = {"content": content, "film": film}
                sign_file(folder / name, unsigned, assertion, credentials, **how)
                continue
            _logger.warning("%s is not signed: C2PA has no manifests in such files", name)
            with replacing(folder / name) as temporary:
                shutil.copyfile(unsigned, temporary)


def load_c2pa() -> ModuleType:
    """Import c2pa, whose wheels carry a native library for some platforms only.

    Raises:
        MissingLibraryError: it is not there, or not for this machine.
    """
    try:
        import c2pa
    except (ImportError, OSError) as error:
        raise MissingLibraryError(
            f"c2pa-python: cannot be loaded on this machine ({one_line(error)}); install it, or set"
            " render.provenance: none to render without saying where the video comes from"
        ) from error
    return c2pa


def offline_context() -> "c2pa.Context":
    """c2pa with the settings that, whatever a file asks for, nothing is fetched."""
    c2pa = load_c2pa()
    return c2pa.Context(c2pa.Settings.from_dict(_OFFLINE))


def _definition(content: Content, assertion: Mapping[str, Any]) -> dict[str, Any]:
    software = {"name": "motiontransfer", "version": version("motiontransfer")}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": _SOURCE_TYPES + content,
        "softwareAgent": software,
    }
    method = "motion transfer (Chan et al. 2019, Everybody Dance Now)"
    actions = [created]
    assertions = {
        "c2pa.actions.v2": {"actions": actions},
        ASSERTION: {"method": method, **assertion},
    }
    own = [{"label": name, "data": data, "created": True} for name, data in assertions.items()]
    ingredients = []
    if isinstance(scene := assertion.get("scene"), Mapping):
        ingredients = [_ingredient("the dancer's film", "componentOf", scene["film_sha256"])]
        ingredients += [
            _ingredient("who replaces the dancer", "inputTo", digest)
            for digest in scene["target_sha256"]
        ]
        film = {"ingredientIds": [ingredients[0]["label"]]}
        actions.append({"action": "c2pa.placed", "parameters": film})
    return {"claim_generator_info": [software], "assertions": own, "ingredients": ingredients}


def _ingredient(title: str, relationship: str, digest: str) -> dict[str, str]:
    hashed = f"sha256:{digest}"
    return {"title": title, "relationship": relationship, "instance_id": hashed, "label": hashed}


def _sign(
    source: io.BufferedIOBase,
    signed: io.BufferedIOBase,
    media_type: str,
    definition: dict[str, Any],
    credentials: Credentials,
    *,
    fault: str,
    film: Path | None = None,
) -> None:
    """Sign a file; `fault` is what the error says before c2pa's reason."""
    c2pa = load_c2pa()
    kept = film if film is not None and film.suffix in _MEDIA_TYPES else None
    placed = definition["ingredients"].pop(0) if kept else None
    signer_info = c2pa.C2paSignerInfo(
        credentials.algorithm, credentials.chain, credentials.private_key, None
    )
    try:
        with (
            c2pa.Signer.from_info(signer_info) as signer,
            c2pa.Builder(definition, offline_context()) as builder,
        ):
            if kept:
                with kept.open("rb") as stream:
                    builder.add_ingredient(placed, _MEDIA_TYPES[kept.suffix], stream)
            builder.sign(signer, media_type, source, signed)
    except c2pa.C2paError as error:
        raise ProvenanceError(f"{fault} ({one_line(error)})") from error
