"""What a video says is read back, and believed only as far as its signature goes."""

import json
import struct

import av
import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from motiontransfer.errors import MissingFileError, MotionTransferError, ProvenanceError, VideoError
from motiontransfer.provenance import verification
from motiontransfer.provenance.verification import provenance_lines, read_provenance
from tests.provenance.signing import (
    authority_and_signer,
    signed_by_an_editor,
    signed_video,
    unsigned_video,
    use_certificate,
    with_byte_changed,
)

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@pytest.fixture(autouse=True)
def _data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def signed(tmp_path):
    return signed_video(tmp_path / "v.mp4")


def boxes(path):
    """(type, start, end) of the boxes of an MP4 file."""
    content, start = path.read_bytes(), 0
    while start < len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        yield kind.decode(), start, start + length
        start += length


def box(path, kind):
    return next((start, end) for name, start, end in boxes(path) if name == kind)


def test_what_was_written_is_read_back(signed):
    found = read_provenance(signed)
    assert (found.integrity, found.reasons) == ("unaltered", ())
    assert found.software == "motiontransfer 0.1.0"
    assert found.source_type == "trainedAlgorithmicMedia"
    assert found.is_generated
    assert found.statement["source"]["frames_sha256"] == "b" * 64
    assert found.statement["networks"][0]["weights_sha256"] == "a" * 64


def test_an_unsigned_video_says_nothing(tmp_path):
    assert read_provenance(unsigned_video(tmp_path / "u.mp4")) is None


def test_every_changed_byte_of_pictures_and_index_is_noticed(signed):
    positions = []
    for kind in ("moov", "mdat"):
        start, end = box(signed, kind)
        positions += range(start + 8, end, max(1, (end - start) // 12))
    for position in positions:
        try:
            found = read_provenance(with_byte_changed(signed, position))
        except (ProvenanceError, VideoError):
            continue  # it cannot even be opened: that is told, too
        assert found is not None
        assert found.integrity == "altered", position
        assert [reason.code for reason in found.reasons] == ["assertion.bmffHash.mismatch"]


@pytest.mark.parametrize("said", [b"trainedAlgorithmicMedia", b"a" * 64, b"b" * 64])
def test_a_changed_statement_is_noticed(signed, said):
    content = signed.read_bytes()
    assert content.count(said) == 1
    found = read_provenance(with_byte_changed(signed, content.index(said) + 5))
    assert found.integrity == "altered"


def test_frames_cut_off_and_a_manifest_moved_to_another_video_are_noticed(signed, tmp_path):
    start, end = box(signed, "uuid")
    content, other = signed.read_bytes(), unsigned_video(tmp_path / "other.mp4", 9).read_bytes()
    for spoilt in (content[:-400], other[:start] + content[start:end] + other[start:]):
        (tmp_path / "spoilt.mp4").write_bytes(spoilt)
        assert read_provenance(tmp_path / "spoilt.mp4").integrity == "altered"


def test_a_changed_signature_is_noticed(signed):
    found = read_provenance(with_byte_changed(signed, box(signed, "uuid")[1] - 1))
    assert found.integrity == "altered"
    assert "claimSignature.mismatch" in {reason.code for reason in found.reasons}


def test_muxing_anew_drops_the_manifest(signed, tmp_path):
    with av.open(str(signed)) as old, av.open(str(tmp_path / "new.mp4"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    assert read_provenance(tmp_path / "new.mp4") is None


def test_the_signer_is_this_machine_or_some_machine(signed, tmp_path, monkeypatch):
    assert read_provenance(signed).signer.standing == "own"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another_machine"))
    assert read_provenance(signed).signer.standing == "self-signed"
    signed_video(tmp_path / "theirs.mp4")  # makes the other machine's certificate
    assert read_provenance(signed).signer.standing == "self-signed"
    assert read_provenance(tmp_path / "theirs.mp4").signer.standing == "own"


def test_an_authority_is_believed_only_if_it_is_trusted(tmp_path, monkeypatch):
    key = ec.generate_private_key(ec.SECP256R1())
    authority, chain = authority_and_signer(key)
    other, _ = authority_and_signer(key)
    (tmp_path / "authority.pem").write_bytes(authority)
    (tmp_path / "other.pem").write_bytes(other)
    use_certificate(monkeypatch, tmp_path, key, chain)
    video = signed_video(tmp_path / "v.mp4")
    signer = read_provenance(video).signer
    assert (signer.name, signer.organisation) == ("Example Studio", "Example Studio")
    assert signer.standing == "unknown"
    assert read_provenance(video, trusted=tmp_path / "other.pem").signer.standing == "unknown"
    trusted = read_provenance(video, trusted=tmp_path / "authority.pem")
    assert (trusted.signer.standing, trusted.integrity) == ("trusted", "unaltered")
    changed = with_byte_changed(video, box(video, "mdat")[0] + 100)
    assert read_provenance(changed, trusted=tmp_path / "authority.pem").integrity == "altered"


def manifest_of_an_editor(**action):
    return {
        "claim_generator_info": [{"name": "editor", "version": "2"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def test_a_video_that_was_edited_since_is_still_told_to_be_generated(signed, tmp_path):
    builder = c2pa.Builder(manifest_of_an_editor(action="c2pa.color_adjustments"))
    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)  # keeps the manifest of what was edited
    found = read_provenance(signed_by_an_editor(builder, signed, tmp_path / "e.mp4"))
    assert found.integrity == "unaltered"
    assert found.software == "editor 2"
    assert found.is_generated
    assert found.statement == {}


def test_what_a_camera_signed_is_not_called_generated(tmp_path):
    builder = c2pa.Builder(manifest_of_an_editor(action="c2pa.created", digitalSourceType=CAPTURE))
    video = unsigned_video(tmp_path / "u.mp4")
    found = read_provenance(signed_by_an_editor(builder, video, tmp_path / "c.mp4"))
    assert (found.source_type, found.is_generated) == ("digitalCapture", False)


def test_a_manifest_that_is_elsewhere_is_not_fetched(tmp_path):
    builder = c2pa.Builder(manifest_of_an_editor(action="c2pa.created", digitalSourceType=CAPTURE))
    builder.set_no_embed()
    builder.set_remote_url("https://example.invalid/manifest.c2pa")
    video = unsigned_video(tmp_path / "u.mp4")
    elsewhere = signed_by_an_editor(builder, video, tmp_path / "r.mp4")
    text = (
        r"r\.mp4: its C2PA manifest is not in the file, and nothing is fetched .*example\.invalid"
    )
    with pytest.raises(ProvenanceError, match=text):
        read_provenance(elsewhere)


def test_faults_are_told_in_one_line(signed, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.mp4").write_bytes(signed.read_bytes()[:2000])
    for path, kind, text in (
        (tmp_path / "none.mp4", MissingFileError, r"none\.mp4: no such file"),
        (tmp_path / "notes.txt", VideoError, r"notes\.txt: cannot be opened"),
        (tmp_path / "half.mp4", MotionTransferError, r"half\.mp4: "),
    ):
        with pytest.raises(kind, match=text) as error:
            read_provenance(path)
        assert "\n" not in str(error.value)
    with pytest.raises(ProvenanceError, match=r"notes\.txt: expected certificates, PEM"):
        read_provenance(signed, trusted=tmp_path / "notes.txt")
    with pytest.raises(MissingFileError, match=r"none\.pem: no such file; expected certificates"):
        read_provenance(signed, trusted=tmp_path / "none.pem")


def test_control_characters_of_a_manifest_are_replaced(tmp_path):
    hostile = manifest_of_an_editor(action="c2pa.created", digitalSourceType=CAPTURE)
    hostile["claim_generator_info"][0]["name"] = "\x1b[2Jnice\n  content   fine"
    video = unsigned_video(tmp_path / "u.mp4")
    path = signed_by_an_editor(c2pa.Builder(hostile), video, tmp_path / "h.mp4")
    lines = provenance_lines(read_provenance(path))
    assert all(line.isprintable() for line in lines)
    assert lines[1].endswith("written by ?[2Jnice?  content   fine 2")


def test_a_statement_of_another_form_is_left_out(tmp_path):
    manifest = manifest_of_an_editor(action="c2pa.created", digitalSourceType=CAPTURE)
    strange = {"networks": [7, {"role": ["x"]}], "source": "here"}
    manifest["assertions"].append({"label": "motiontransfer.transfer", "data": strange})
    video = unsigned_video(tmp_path / "u.mp4")
    path = signed_by_an_editor(c2pa.Builder(manifest), video, tmp_path / "h.mp4")
    lines = provenance_lines(read_provenance(path))
    assert lines[3:] == ["  ['x']     None, weights SHA-256 None"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("active_manifest"),
        lambda report: report.update(active_manifest="urn:c2pa:another"),
        lambda report: report.update(manifests=[]),
        lambda report: report.update(validation_results={"activeManifest": {"failure": [4]}}),
        lambda report: active(report).update(claim_generator_info=[{"name": ["x"]}]),
        lambda report: active(report)["assertions"].append({"label": "c2pa.actions", "data": [1]}),
        lambda report: active(report)["assertions"].append({"data": {}}),
    ],
)
def test_a_report_of_another_form_is_told_in_one_line(spoil, signed, monkeypatch):
    original = verification._report_text

    def report_text(path, anchors):
        report = json.loads(original(path, anchors))
        spoil(report)
        return json.dumps(report)

    monkeypatch.setattr(verification, "_report_text", report_text)
    text = r"v\.mp4: altered or damaged: its C2PA manifest is not as C2PA defines it$"
    with pytest.raises(ProvenanceError, match=text):
        read_provenance(signed)


def active(report):
    return report["manifests"][report["active_manifest"]]
