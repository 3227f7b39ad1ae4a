import json
from dataclasses import replace

import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from motiontransfer.core.errors import (
    MissingFileError,
    MotionTransferError,
    ProvenanceError,
    VideoError,
)
from motiontransfer.provenance import verification
from motiontransfer.provenance.verification import Reason, Signer, provenance_lines, read_provenance
from tests.provenance import signing

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@pytest.fixture
def signed(tmp_path):
    return signing.signed_video(tmp_path / "v.mp4")


def test_altered_frames_and_statements_are_noticed(signed):
    content = signed.read_bytes()
    frames, stated, signature = len(content) - 20, content.index(b"a" * 64), content.index(b"uuid")
    signature += int.from_bytes(content[signature - 4 : signature]) - 5
    codes = {}
    for part, position in (("frames", frames), ("stated", stated), ("signature", signature)):
        found = read_provenance(signing.with_byte_changed(signed, position))
        assert found.integrity == "altered"
        codes[part] = {reason.code for reason in found.reasons}
    assert codes["frames"] == {"assertion.bmffHash.mismatch"}
    assert "claimSignature.mismatch" in codes["signature"]


def test_a_self_signed_certificate_is_of_this_or_of_another_machine(signed, tmp_path, monkeypatch):
    assert read_provenance(signed).signer.trust == "own"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another_machine"))
    assert read_provenance(signed).signer.trust == "self-signed"
    theirs = signing.signed_video(tmp_path / "theirs.mp4")  # makes the other machine's certificate
    assert read_provenance(signed).signer.trust == "self-signed"
    assert read_provenance(theirs).signer.trust == "own"


def test_an_authority_is_trusted_only_if_it_is_named(tmp_path, monkeypatch):
    key = ec.generate_private_key(ec.SECP256R1())
    authority, chain = signing.authority_and_signer(key)
    (tmp_path / "authority.pem").write_bytes(authority)
    (tmp_path / "other.pem").write_bytes(signing.authority_and_signer(key)[0])
    signing.use_certificate(monkeypatch, tmp_path, key, chain)
    video = signing.signed_video(tmp_path / "v.mp4")
    signer = read_provenance(video).signer
    assert signer == Signer(name="Example Studio", organisation="Example Studio", trust="unknown")
    assert read_provenance(video, trusted=tmp_path / "other.pem").signer == signer
    trusted = read_provenance(video, trusted=tmp_path / "authority.pem")
    assert (trusted.signer.trust, trusted.integrity) == ("trusted", "unaltered")
    changed = signing.with_byte_changed(video, video.stat().st_size - 20)
    assert read_provenance(changed, trusted=tmp_path / "authority.pem").integrity == "altered"


@pytest.fixture
def by_an_editor(tmp_path):
    """Sign a video with another software's manifest."""

    def sign(*assertions, name="editor", video=None, change=lambda builder: None, **action):
        action = action or {"action": "c2pa.created", "digitalSourceType": CAPTURE}
        actions = {"label": "c2pa.actions.v2", "data": {"actions": [action]}}
        info = [{"name": name, "version": "2"}]
        builder = c2pa.Builder({"claim_generator_info": info, "assertions": [actions, *assertions]})
        change(builder)
        source = video or signing.unsigned_video(tmp_path / "u.mp4")
        builder.sign_file(str(source), str(tmp_path / "e.mp4"), signing.c2pa_signer())
        return tmp_path / "e.mp4"

    return sign


def test_a_cameras_video_is_not_generated_and_an_edited_video_still_is(signed, by_an_editor):
    def keep_manifest(builder):
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)

    found = read_provenance(by_an_editor())
    assert (found.source_type, found.is_generated) == ("digitalCapture", False)
    edited = by_an_editor(video=signed, change=keep_manifest, action="c2pa.color_adjustments")
    found = read_provenance(edited)
    assert (found.integrity, found.software) == ("unaltered", "editor 2")
    assert found.is_generated
    assert found.assertion == {}


def test_a_remote_manifest_is_not_fetched(by_an_editor):
    def keep_elsewhere(builder):
        builder.set_no_embed()
        builder.set_remote_url("https://example.invalid/manifest.c2pa")

    with pytest.raises(ProvenanceError, match=r"e\.mp4: .*example\.invalid"):
        read_provenance(by_an_editor(change=keep_elsewhere))


@pytest.mark.parametrize(
    ("name", "trusted", "error"),
    [
        ("none.mp4", None, MissingFileError),
        ("notes.txt", None, VideoError),
        ("half.mp4", None, MotionTransferError),
        ("v.mp4", "notes.txt", ProvenanceError),
        ("v.mp4", "none.pem", MissingFileError),
    ],
)
def test_faults_are_one_line(name, trusted, error, signed, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.mp4").write_bytes(signed.read_bytes()[:2000])
    with pytest.raises(error, match=trusted or name) as raised:
        read_provenance(tmp_path / name, trusted=tmp_path / trusted if trusted else None)
    assert "\n" not in str(raised.value)


def test_control_characters_and_a_statement_of_another_form_are_replaced(by_an_editor):
    strange = {"networks": [7, {"role": ["x"]}], "source": "here"}
    assertion = {"label": "motiontransfer.transfer", "data": strange}
    lines = provenance_lines(
        read_provenance(by_an_editor(assertion, name="\x1b[2Jnice\n  content   fine"))
    )
    assert all(line.isprintable() for line in lines)
    assert lines[1].endswith("written by ?[2Jnice?  content   fine 2")
    assert lines[3:] == ["  ['x']     None, weights SHA-256 None"]


def test_lines_name_content_origin_networks_and_source(signed):
    assert provenance_lines(read_provenance(signed)) == [
        "  content   unaltered since it was signed",
        "  origin    AI-generated (trainedAlgorithmicMedia), says its C2PA manifest, written by "
        "motiontransfer 0.1.0",
        "  signed    by this machine's self-signed certificate: no authority vouches for it",
        f"  generator fast, weights SHA-256 {'a' * 64}",
        f"  source    frames SHA-256 {'b' * 64}",
        f"            keypoints SHA-256 {'c' * 64}",
    ]
    assert "proves nothing" in provenance_lines(None)[1]


@pytest.mark.parametrize("trust", ["trusted", "self-signed", "unknown"])
def test_an_altered_videos_lines_have_the_reasons_and_the_signer(trust, signed):
    signer = Signer(name="Ann", organisation="Studio", trust=trust)
    reasons = (Reason(code="assertion.bmffHash.mismatch", text="x"), Reason(code="y", text="z"))
    altered = replace(read_provenance(signed), integrity="altered", reasons=reasons, signer=signer)
    content, known, unknown, _, by = provenance_lines(altered)[:5]
    assert "ALTERED" in content
    assert "bmffHash" not in known
    assert "z (y)" in unknown
    assert ("Ann (Studio)" in by) is (trust != "self-signed")
    assert ("you trust issued" in by) is (trust == "trusted")


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
def test_a_report_of_another_form_is_one_line(spoil, signed, monkeypatch):
    original = verification._report_text

    def report_text(path, trusted):
        report = json.loads(original(path, trusted))
        spoil(report)
        return json.dumps(report)

    monkeypatch.setattr(verification, "_report_text", report_text)
    with pytest.raises(ProvenanceError, match=r"v\.mp4: [^\n]*$"):
        read_provenance(signed)


def active(report):
    return report["manifests"][report["active_manifest"]]
