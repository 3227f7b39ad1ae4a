"""Who signs: the user's own certificate and key, or what this machine makes for itself.

Hides where they are kept and how each kind of key signs. A key is no param: it is in no repository,
but in files of the user's that environment variables name, or in the user's data folder, where
nobody else can read it.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from motiontransfer.errors import MissingFileError, ProvenanceError
from motiontransfer.rendering.self_made_certificate import self_made_certificate

CERTIFICATE_VARIABLE = "MOTIONTRANSFER_CERTIFICATE"
PRIVATE_KEY_VARIABLE = "MOTIONTRANSFER_PRIVATE_KEY"
PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
Algorithm = Literal["ED25519", "ES256", "ES384", "ES512", "PS256"]

_OF_CURVE: dict[str, tuple[Algorithm, hashes.HashAlgorithm]] = {
    "secp256r1": ("ES256", hashes.SHA256()),
    "secp384r1": ("ES384", hashes.SHA384()),
    "secp521r1": ("ES512", hashes.SHA512()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate, whoever vouches for it, and the key that belongs to it."""

    chain: str
    """Certificates, PEM: the signer's first, then each that vouches for the one before."""
    key: PrivateKey
    """The signer's."""

    @property
    def algorithm(self) -> Algorithm:
        """What COSE calls the way in which the key signs."""
        match self.key:
            case Ed25519PrivateKey():
                return "ED25519"
            case EllipticCurvePrivateKey():
                return _OF_CURVE[self.key.curve.name][0]
            case _:
                return "PS256"

    def sign(self, content: bytes) -> bytes:
        """Sign as COSE writes it; the same bytes each time, but for RSA, whose padding is drawn."""
        match self.key:
            case Ed25519PrivateKey():
                return self.key.sign(content)
            case EllipticCurvePrivateKey():
                algorithm = ECDSA(_OF_CURVE[self.key.curve.name][1], deterministic_signing=True)
                num_bytes = (self.key.key_size + 7) // 8
                halves = decode_dss_signature(self.key.sign(content, algorithm))
                return b"".join(half.to_bytes(num_bytes, "big") for half in halves)
            case _:
                salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
                return self.key.sign(content, salted, hashes.SHA256())


def load_credentials() -> Credentials:
    """Read the user's certificate and key, or this machine's own, which is made if need be.

    Raises:
        MissingFileError: a file that an environment variable names is not there.
        ProvenanceError: only one variable is set, or the files do not hold what they should.
    """
    named = {name: os.environ.get(name) for name in (CERTIFICATE_VARIABLE, PRIVATE_KEY_VARIABLE)}
    certificate, key = named.values()
    if certificate and key:
        return _read(Path(certificate), Path(key))
    if certificate or key:
        lacking = next(name for name, value in named.items() if not value)
        raise ProvenanceError(
            f"{lacking}: not set; expected both variables, {CERTIFICATE_VARIABLE} (certificates,"
            f" PEM) and {PRIVATE_KEY_VARIABLE} (their key, PEM), or neither"
        )
    own = own_file()
    if not own.exists():
        _make_own(own)
    return _read(own, own)


def own_file() -> Path:
    """Where this machine's own key and certificates are: in the user's data folder."""
    users = os.environ.get("XDG_DATA_HOME")
    folder = Path(users) if users else Path.home() / ".local/share"
    return folder / "motiontransfer/signer.pem"


def _read(certificate: Path, key: Path) -> Credentials:
    for path in (certificate, key):
        if not path.is_file():
            raise MissingFileError(f"{path}: no such file; expected a certificate or key, PEM")
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except ValueError as error:
        raise ProvenanceError(f"{certificate}: expected certificates, PEM: {error}") from error
    signer, now = chain[0], datetime.now(UTC)
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        raise ProvenanceError(
            f"{certificate}: valid from {signer.not_valid_before_utc:%Y-%m-%d} to"
            f" {signer.not_valid_after_utc:%Y-%m-%d}, and today is {now:%Y-%m-%d}; get a new one"
            + (" by removing this file" if certificate == own_file() else "")
        )
    private = _read_key(key)
    if private.public_key() != signer.public_key():
        raise ProvenanceError(
            f"{key}: not the key of the first certificate in {certificate}; expected that one's"
        )
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    return Credentials(chain=pem.decode("ascii"), key=private)


def _read_key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = " ".join(str(error).split())
        raise ProvenanceError(
            f"{path}: expected a private key, PEM, without a passphrase: {reason}"
        ) from error
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name not in _OF_CURVE:
        raise ProvenanceError(
            f"{path}: expected a key on P-256, P-384 or P-521, got {key.curve.name}"
        )
    if not isinstance(key, PrivateKey):
        raise ProvenanceError(
            f"{path}: expected an Ed25519, elliptic curve or RSA key, got {type(key).__name__}"
        )
    return key


def _make_own(path: Path) -> None:
    """Make a key and certificates for it; another process that is quicker wins."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self_made_certificate())
        with suppress(FileExistsError):
            os.link(temporary, path)  # unlike a rename, it never replaces what is there
        temporary.unlink()
    except OSError as error:
        raise ProvenanceError(
            f"{path}: this machine's own certificate cannot be written ({error.strerror}); choose"
            " another folder by XDG_DATA_HOME, or set render.provenance: none"
        ) from error
