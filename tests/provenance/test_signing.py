"""A signed video has the same streams and a manifest of networks and inputs, without names.

Credentials are the user's, or this machine's self-signed ones.
"""

import json
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from motiontransfer.errors import MissingFileError, MissingLibraryError, ProvenanceError
from motiontransfer.provenance import signing as module
from motiontransfer.provenance.signing import check_credentials, load_credentials, self_signed_file
from tests.provenance.signing import authority_and_signer, key_pem, signed_video, use_certificate


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


def manifest_of(path):
    """The manifest as c2pa itself reads it, without any settings of ours."""
    with c2pa.Reader(str(path)) as reader:
        report = json.loads(reader.json())
    return report["manifests"][report["active_manifest"]], report


def packets(path):
    with av.open(str(path)) as container:
        return [
            (packet.stream.type, packet.pts, packet.is_keyframe, bytes(packet))
            for packet in container.demux()
            if packet.size
        ]


def test_the_manifest_states_networks_and_inputs(tmp_path):
    manifest, report = manifest_of(signed_video(tmp_path / "v.mp4"))
    assert report["validation_state"] == "Valid"
    assert manifest["claim_generator_info"][0]["name"] == "motiontransfer"
    data = {item["label"]: item["data"] for item in manifest["assertions"]}
    (action,) = data["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )
    assertion = data["motiontransfer.transfer"]
    assert assertion["networks"] == [
        {"role": "generator", "architecture": "fast", "weights_sha256": "a" * 64}
    ]
    assert assertion["source"] == {"frames_sha256": "b" * 64, "keypoints_sha256": "c" * 64}
    assert all(item["created"] for item in manifest["assertions"])


def test_frames_and_sound_are_unchanged_packet_for_packet(tmp_path):
    signed = signed_video(tmp_path / "v.mp4")
    assert packets(signed) == packets(tmp_path / "unsigned_v.mp4")
    with av.open(str(signed)) as container:  # the index still points at the right bytes
        container.seek(200_000, backward=True)
        assert sum(1 for _ in container.decode(video=0)) == 8


@pytest.mark.parametrize(
    ("algorithm", "make_key"),
    [
        ("ed25519", ed25519.Ed25519PrivateKey.generate),
        ("es256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("es384", lambda: ec.generate_private_key(ec.SECP384R1())),
        ("es512", lambda: ec.generate_private_key(ec.SECP521R1())),
        ("ps256", lambda: rsa.generate_private_key(65537, 2048)),
    ],
)
def test_the_users_certificate_of_any_kind_signs(algorithm, make_key, tmp_path, monkeypatch):
    key = make_key()
    _, chain = authority_and_signer(key)
    use_certificate(monkeypatch, tmp_path, key, chain)
    credentials = load_credentials()
    check_credentials(credentials)
    assert (credentials.algorithm, credentials.chain) == (algorithm, chain)
    assert credentials.private_key == key_pem(key)
    assert "private_key" not in repr(credentials)
    assert not self_signed_file().exists()
    manifest, report = manifest_of(signed_video(tmp_path / "v.mp4"))
    assert report["validation_state"] == "Valid"
    assert manifest["signature_info"]["common_name"] == "Example Studio"


def test_an_unfit_certificate_is_one_line_and_leaves_no_file(tmp_path, monkeypatch):
    key = ed25519.Ed25519PrivateKey.generate()
    _, for_web_servers = authority_and_signer(key, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    use_certificate(monkeypatch, tmp_path, key, for_web_servers)
    path = tmp_path / "v.mp4"
    for attempt in (lambda: check_credentials(load_credentials()), lambda: signed_video(path)):
        with pytest.raises(ProvenanceError, match="C2PA does not sign with this certificate") as e:
            attempt()
        assert "\n" not in str(e.value)
    assert not list(tmp_path.glob("*v.mp4.*")) + list(tmp_path.glob(".*"))
    assert not path.exists()


def test_without_the_library_the_error_says_how_to_do_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingLibraryError, match=r"^c2pa-python: .*render\.provenance: none") as e:
        check_credentials(load_credentials())
    assert "\n" not in str(e.value)
