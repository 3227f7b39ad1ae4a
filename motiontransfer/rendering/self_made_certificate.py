"""A certificate that a machine makes for itself, as C2PA asks of one (C2PA 2.3, sec. 14.5.1).

It vouches for nobody, and says so; it says nothing of the user or the machine either, for everybody
can read it in the video.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SELF_MADE = "self-made by motiontransfer"
"""The organisation that the certificate names: readers anywhere show it as the signer."""

_LIFE = timedelta(days=3650)  # without a time stamp a signature ends with its certificate
_CLOCK_SKEW = timedelta(days=1)


def self_made_certificate() -> bytes:
    """Make a key, its certificate, and that of a root, whose own key is forgotten; all as PEM.

    There is a root because C2PA refuses certificates that vouch for themselves. The key is Ed25519:
    it signs the same content with the same bytes.
    """
    key, root_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    root_name, name = _name("root"), _name("nobody vouches for this certificate")
    root = (
        _certificate(root_name, root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("vouching"), critical=True)
        .sign(root_key, None)
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    certificate = (
        _certificate(name, root_name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage("signing"), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, None)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, root))


def _name(common_name: str) -> x509.Name:
    attributes = {NameOID.ORGANIZATION_NAME: SELF_MADE, NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])


def _certificate(
    name: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - _CLOCK_SKEW
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFE)
        .add_extension(identifier, critical=False)
    )


def _key_usage(purpose: Literal["signing", "vouching"]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=purpose == "signing",
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=purpose == "vouching",
        crl_sign=purpose == "vouching",
        encipher_only=False,
        decipher_only=False,
    )
