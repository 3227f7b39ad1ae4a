"""Short signed videos, and certificates to sign them with."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from motiontransfer.provenance.signing import load_credentials, sign_file
from motiontransfer.video.writer import write_video
from tests.people import dance, picture

ASSERTION_DATA = {
    "networks": [{"role": "generator", "architecture": "fast", "weights_sha256": "a" * 64}],
    "source": {"frames_sha256": "b" * 64, "keypoints_sha256": "c" * 64},
}


def unsigned_video(path, num_frames=8):
    keypoints = dance(num_frames)
    frames = (picture(keypoints, index) for index in range(num_frames))
    write_video(path, frames, frame_rate=Fraction(25))
    return path


def signed_video(path):
    """A video with the certificate of the environment, as a rendering stage makes it."""
    unsigned = unsigned_video(path.with_name(f"unsigned_{path.name}"))
    content = "trainedAlgorithmicMedia"
    sign_file(path, unsigned, ASSERTION_DATA, load_credentials(), content=content)
    return path


def c2pa_signer():
    """C2PA's signer with the certificate of the environment, as other software would use it."""
    mine = load_credentials()
    info = c2pa.C2paSignerInfo(mine.algorithm, mine.chain, mine.private_key, None)
    return c2pa.Signer.from_info(info)


def use_certificate(monkeypatch, folder, key, chain):
    """Let this certificate be the environment's."""
    for variable, name, content in (
        ("MOTIONTRANSFER_CERTIFICATE", "chain.pem", chain),
        ("MOTIONTRANSFER_PRIVATE_KEY", "key.pem", key_pem(key)),
    ):
        (folder / name).write_bytes(content)
        monkeypatch.setenv(variable, str(folder / name))


def with_byte_changed(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    changed = path.with_name("changed.mp4")
    changed.write_bytes(bytes(content))
    return changed


def signer_chain(key, *, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION, days=30):
    """PEM of a certificate for the key and of the authority that issues it."""
    root_key, root = Ed25519PrivateKey.generate(), "Example Authority"
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    authority = _certificate(root, root_key, root, root_key, days=days, is_authority=True)
    extensions = (x509.ExtendedKeyUsage([usage]), issuer)
    return _certificate("Example Studio", key, root, root_key, *extensions, days=days) + authority


def key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate(name, key, issuer, issuer_key, *extensions, days, is_authority=False):
    oids = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    names = [x509.Name([x509.NameAttribute(oid, text) for oid in oids]) for text in (name, issuer)]
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        **dict.fromkeys((*others, "encipher_only", "decipher_only"), False),
    )
    constraints = x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=60))
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(constraints, critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, None).public_bytes(Encoding.PEM)
