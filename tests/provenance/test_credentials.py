"""Keys come from where the user says or from this machine's own file, and from nowhere else."""

import stat
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from motiontransfer.errors import MissingFileError, ProvenanceError
from motiontransfer.provenance import credentials as module
from motiontransfer.provenance.credentials import load_credentials, self_signed_file
from tests.provenance.signing import authority_and_signer, key_pem, use_certificate


def p256_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(autouse=True)
def _data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def use(monkeypatch, folder, key, **wishes):
    """Give the user a certificate for this key."""
    _, chain = authority_and_signer(key, **wishes)
    use_certificate(monkeypatch, folder, key, chain)
    return chain


def test_without_a_certificate_one_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    first, second = load_credentials(), load_credentials()
    assert first == second
    file = tmp_path / "data/motiontransfer/signer.pem"
    assert file == self_signed_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["signer.pem"]


def test_processes_that_make_one_at_once_agree(monkeypatch):
    together = threading.Barrier(4)
    made = module._self_signed

    def make():
        together.wait(timeout=10)
        return made()

    monkeypatch.setattr(module, "_self_signed", make)
    ids = iter(range(4))
    monkeypatch.setattr(module.os, "getpid", lambda: next(ids))  # each writes a file of its own
    chains = []
    threads = [
        threading.Thread(target=lambda: chains.append(load_credentials().chain)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(chains) == 4
    assert len(set(chains)) == 1


def test_one_variable_without_the_other_is_a_fault(monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CERTIFICATE", "chain.pem")
    with pytest.raises(
        ProvenanceError, match=r"^MOTIONTRANSFER_PRIVATE_KEY: not set; expected both"
    ):
        load_credentials()


@pytest.mark.parametrize(
    ("name", "content"), [("chain.pem", "certificates"), ("key.pem", "a private key")]
)
def test_a_file_that_is_not_there_is_named(name, content, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, p256_key())
    (tmp_path / name).unlink()
    with pytest.raises(MissingFileError, match=rf"{name}: no such file; expected {content}, PEM"):
        load_credentials()


LOCKED = p256_key().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("key.pem", key_pem(p256_key()), "not the key of the first certificate in .*chain\\.pem"),
        ("key.pem", LOCKED, "expected a private key, PEM, without a passphrase: "),
        (
            "key.pem",
            key_pem(dsa.generate_private_key(1024)),
            "expected an Ed25519, P-256, .*RSA key, .* got DSAPrivateKey",
        ),
        (
            "key.pem",
            key_pem(ec.generate_private_key(ec.SECP256K1())),
            "expected an Ed25519, P-256, .* got secp256k1",
        ),
        ("key.pem", b"my key", "expected a private"),
        ("chain.pem", b"me", "expected certifica"),
    ],
    ids=["another", "locked", "DSA", "another curve", "no key", "no certificate"],
)
def test_files_that_do_not_hold_what_they_should_are_told_in_one_line(
    name, content, text, tmp_path, monkeypatch
):
    use(monkeypatch, tmp_path, p256_key())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProvenanceError, match=rf"{name}: {text}") as error:
        load_credentials()
    assert "\n" not in str(error.value)


def test_a_certificate_that_has_expired_is_refused_with_its_dates(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, p256_key(), days=-1)
    with pytest.raises(ProvenanceError, match=r"valid from \d{4}-\d\d-\d\d to .*get a new one$"):
        load_credentials()


def test_a_folder_that_cannot_be_written_to_is_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "data").write_text("a file where the folder should be")
    text = r"signer\.pem: this machine's own certificate cannot be written \(.*XDG_DATA_HOME"
    with pytest.raises(ProvenanceError, match=text) as error:
        load_credentials()
    assert "\n" not in str(error.value)


def test_the_certificate_says_nothing_of_user_or_machine():
    load_credentials()
    words = {
        attribute.value
        for certificate in x509.load_pem_x509_certificates(self_signed_file().read_bytes())
        for name in (certificate.subject, certificate.issuer)
        for attribute in name
    }
    assert words == {"self-signed by motiontransfer", "nobody vouches for this certificate", "root"}
