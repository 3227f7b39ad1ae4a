import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import av
import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from motiontransfer.core.errors import MissingFileError, ProvenanceError
from motiontransfer.provenance import signing as module
from motiontransfer.provenance.signing import load_credentials, self_signed_file
from tests.provenance.signing import (
    ASSERTION_DATA,
    key_pem,
    signed_video,
    signer_chain,
    unsigned_video,
    use_certificate,
)


def test_an_anonymous_certificate_is_made_once_and_readable_by_its_owner_only(tmp_path):
    first, second = load_credentials(), load_credentials()
    assert first == second
    file = tmp_path / "data/motiontransfer/signer.pem"
    assert file == self_signed_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["signer.pem"]
    certificates = x509.load_pem_x509_certificates(file.read_bytes())
    names = [name for one in certificates for name in (one.subject, one.issuer)]
    words = {attribute.value for name in names for attribute in name}
    assert words == {module.SELF_SIGNED, "no authority vouches for this certificate", "root"}


def test_processes_that_make_one_at_once_agree(monkeypatch):
    together = threading.Barrier(4)
    made = module._self_signed
    make = lambda key: together.wait(timeout=10) < 4 and made(key)  # noqa: E731
    monkeypatch.setattr(module, "_self_signed", make)
    with ThreadPoolExecutor(4) as threads:
        chains = list(threads.map(lambda _: load_credentials().chain, range(4)))
    assert len(set(chains)) == 1


def fault_of(attempt, error_type=ProvenanceError):
    with pytest.raises(error_type) as error:
        attempt()
    assert "\n" not in str(error.value)
    return str(error.value)


P256 = ec.generate_private_key(ec.SECP256R1())
LOCKED = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("key.pem", LOCKED, ""),
        ("key.pem", key_pem(ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
        ("key.pem", b"my key", ""),
        ("chain.pem", signer_chain(P256, _VALIDITY=timedelta(hours=1)), "valid from"),  # expired
        ("chain.pem", b"me", ""),
    ],
)
def test_files_of_other_content_are_refused(name, content, named, tmp_path, monkeypatch):
    use_certificate(monkeypatch, tmp_path, P256, signer_chain(P256))
    (tmp_path / name).write_bytes(content)
    fault = fault_of(load_credentials)
    assert fault.startswith(f"{tmp_path / name}: ")
    assert named in fault
    (tmp_path / name).unlink()
    assert str(tmp_path / name) in fault_of(load_credentials, MissingFileError)


def test_what_cannot_be_signed_leaves_no_file(tmp_path):
    unsigned, path = unsigned_video(tmp_path / "u.mp4"), tmp_path / "v.mp4"
    spoiled = replace(load_credentials(), algorithm="es512")
    sign = partial(module.sign_file, path, unsigned, {}, spoiled)
    assert fault_of(partial(sign, content="trainedAlgorithmicMedia")).startswith(f"{path}: ")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "u.mp4"]


def manifest_of(path):
    """The manifest as c2pa itself reads it, without any settings of ours."""
    with c2pa.Reader(str(path)) as reader:
        report = json.loads(reader.json())
    return report["manifests"][report["active_manifest"]], report


def test_the_manifest_states_networks_and_inputs_and_the_streams_are_unchanged(tmp_path):
    signed = signed_video(tmp_path / "v.mp4")
    manifest, report = manifest_of(signed)
    assert report["validation_state"] == "Valid"
    assert manifest["claim_generator_info"][0]["name"] == "motiontransfer"
    data = {item["label"]: item["data"] for item in manifest["assertions"]}
    (action,) = data["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert data["motiontransfer.transfer"].items() >= ASSERTION_DATA.items()
    assert all(item["created"] for item in manifest["assertions"])
    found = []
    for path in (signed, tmp_path / "unsigned_v.mp4"):
        with av.open(str(path)) as video:
            packets = [each for each in video.demux() if each.size]
            found.append([(each.pts, each.is_keyframe, bytes(each)) for each in packets])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("ed25519", ed25519.Ed25519PrivateKey.generate()),
        ("es256", P256),
        ("es384", ec.generate_private_key(ec.SECP384R1())),
        ("es512", ec.generate_private_key(ec.SECP521R1())),
        ("ps256", rsa.generate_private_key(65537, 2048)),
    ],
)
def test_the_users_certificate_of_any_kind_signs(algorithm, key, tmp_path, monkeypatch):
    chain = signer_chain(key)
    use_certificate(monkeypatch, tmp_path, key, chain)
    credentials = load_credentials()
    assert (credentials.algorithm, credentials.chain) == (algorithm, chain)
    assert credentials.private_key == key_pem(key)
    assert "private_key" not in repr(credentials)
    assert not self_signed_file().exists()
    manifest, report = manifest_of(signed_video(tmp_path / "v.mp4"))
    assert report["validation_state"] == "Valid"
    assert manifest["signature_info"]["issuer"] == "Example Studio"
