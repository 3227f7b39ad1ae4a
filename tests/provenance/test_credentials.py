"""Credentials are the user's, or this machine's self-signed ones."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from motiontransfer.errors import MissingFileError, ProvenanceError
from motiontransfer.provenance import signing as module
from motiontransfer.provenance.signing import load_credentials, self_signed_file
from tests.provenance.signing import authority_and_signer, key_pem, use_certificate


def p256_key():
    return ec.generate_private_key(ec.SECP256R1())


def use(monkeypatch, folder, key, **wishes):
    """Give the user a certificate for this key."""
    use_certificate(monkeypatch, folder, key, authority_and_signer(key, **wishes)[1])


def test_an_anonymous_certificate_is_made_once_and_readable_by_its_owner_only(tmp_path):
    first, second = load_credentials(), load_credentials()
    assert first == second
    file = tmp_path / "data/motiontransfer/signer.pem"
    assert file == self_signed_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["signer.pem"]
    words = {
        attribute.value
        for certificate in x509.load_pem_x509_certificates(file.read_bytes())
        for name in (certificate.subject, certificate.issuer)
        for attribute in name
    }
    assert words == {
        "self-signed by motiontransfer",
        "no authority vouches for this certificate",
        "root",
    }


def test_processes_that_make_one_at_once_agree(monkeypatch):
    together = threading.Barrier(4)
    made = module._self_signed
    monkeypatch.setattr(module, "_self_signed", lambda: together.wait(timeout=10) < 4 and made())
    with ThreadPoolExecutor(4) as threads:
        chains = list(threads.map(lambda _: load_credentials().chain, range(4)))
    assert len(set(chains)) == 1


def test_one_variable_without_the_other_is_a_fault(monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CERTIFICATE", "chain.pem")
    with pytest.raises(
        ProvenanceError, match=r"^MOTIONTRANSFER_PRIVATE_KEY: not set; expected both"
    ):
        load_credentials()


LOCKED = p256_key().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)
DSA_KEY = key_pem(dsa.generate_private_key(1024))
OTHER_CURVE = key_pem(ec.generate_private_key(ec.SECP256K1()))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("key.pem", key_pem(p256_key()), "not the key of the first certificate in .*chain\\.pem"),
        ("key.pem", LOCKED, "expected a private key, PEM, without a passphrase: "),
        ("key.pem", DSA_KEY, "expected an Ed25519, P-256, .*RSA key, .* got DSAPrivateKey"),
        ("key.pem", OTHER_CURVE, "expected an Ed25519, P-256, .* got secp256k1"),
        ("key.pem", b"my key", "expected a private"),
        ("key.pem", None, "no such file; expected a private key, PEM"),
        ("chain.pem", b"me", "expected certifica"),
        ("chain.pem", None, "no such file; expected certificates, PEM"),
    ],
)
def test_files_of_other_content_are_refused_in_one_line(name, content, text, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, p256_key())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    error_type = MissingFileError if content is None else ProvenanceError
    with pytest.raises(error_type, match=rf"{name}: {text}") as error:
        load_credentials()
    assert "\n" not in str(error.value)


def test_a_certificate_that_has_expired_is_refused_with_its_dates(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, p256_key(), days=-1)
    with pytest.raises(ProvenanceError, match=r"valid from \d{4}-\d\d-\d\d to .*get a new one$"):
        load_credentials()


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "data").write_text("a file where the folder should be")
    text = r"signer\.pem: this machine's own certificate cannot be written \(.*XDG_DATA_HOME"
    with pytest.raises(ProvenanceError, match=text) as error:
        load_credentials()
    assert "\n" not in str(error.value)
