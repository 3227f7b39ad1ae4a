"""Short signed videos, and certificates to sign them with."""

from fractions import Fraction

import c2pa
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from motiontransfer.provenance import signing
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


def signer_chain(key, **changes):
    """PEM of a studio's certificate for the key and of its issuer's; changes: constants."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SELF_SIGNED": "Example Studio", **changes}.items():
            patch.setattr(signing, name, value)
        return signing._self_signed(key)


def key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
