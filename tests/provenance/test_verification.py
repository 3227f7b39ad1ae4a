import json
from dataclasses import asdict, replace

import c2pa
import pytest

from motiontransfer.core import errors
from motiontransfer.core.errors import ProvenanceError
from motiontransfer.provenance import verification
from motiontransfer.provenance.signing import load_credentials, sign_file
from motiontransfer.provenance.verification import provenance_lines, read_provenance
from tests.provenance import signing

SCENE = {"person": "replaced", "film_sha256": "d" * 64, "target_sha256": ["e" * 64]}
CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@pytest.fixture
def signed(tmp_path):
    return signing.signed_video(tmp_path / "v.mp4")


def test_an_altered_video_is_not_valid_for_c2pas_reasons(signed):
    changed = signing.with_byte_changed(signed, signed.stat().st_size - 20)
    found = read_provenance(changed)
    assert found.integrity == "not valid"
    (why,) = json.loads(json.dumps(asdict(found)))["reasons"]
    assert why["code"] == "assertion.bmffHash.mismatch"
    content, reason = provenance_lines(found)[:2]
    assert "NOT VALID" in content
    assert why["explanation"] in reason


@pytest.fixture
def by_an_editor(tmp_path):
    """Sign a video with another software's manifest."""

    def sign(*assertions, name="editor", video=None, change=None, did="c2pa.created"):
        action = {"action": did, "digitalSourceType": CAPTURE}
        actions = {"label": "c2pa.actions.v2", "data": {"actions": [action]}}
        info = [{"name": name, "version": "2"}]
        builder = c2pa.Builder({"claim_generator_info": info, "assertions": [actions, *assertions]})
        if change:
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
    edited = by_an_editor(video=signed, change=keep_manifest, did="c2pa.color_adjustments")
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


FAULTS = {"none.mp4": errors.MissingFileError, "notes.txt": errors.VideoError}
FAULTS["half.mp4"] = errors.MotionTransferError


@pytest.mark.parametrize(("name", "error"), FAULTS.items())
def test_faults_are_one_line(name, error, signed, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.mp4").write_bytes(signed.read_bytes()[:2000])
    with pytest.raises(error, match=name) as raised:
        read_provenance(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_control_characters_and_a_statement_of_another_form_are_replaced(by_an_editor):
    strange = {"networks": [7, {"role": ["x"]}], "source": "here"}
    assertion = {"label": "motiontransfer.transfer", "data": strange}
    video = by_an_editor(assertion, name="\x1b[2Jnice\n  content   fine")
    lines = provenance_lines(read_provenance(video))
    assert all(line.isprintable() for line in lines)
    assert lines[1].endswith("written by ?[2Jnice?  content   fine 2")
    assert lines[3:] == ["  ['x']     None, weights SHA-256 None"]


def test_lines_name_content_origin_signer_networks_and_source(signed):
    found = read_provenance(signed)
    lines = provenance_lines(found)
    words = ["content", "origin", "signed", "generator", "source", "keypoints"]
    values = ["unaltered", "trainedAlgorithmicMedia", "self-signed", "a" * 64, "b" * 64, "c" * 64]
    for line, word, value in zip(lines, words, values, strict=True):
        assert line.split()[0] == word
        assert value in line
    assert "by Example Studio:" in provenance_lines(replace(found, signer="Example Studio"))[2]
    in_film = replace(found, assertion={**found.assertion, "scene": SCENE})
    assert provenance_lines(in_film)[-2:] == [
        f"  scene     a person replaced in film SHA-256 {'d' * 64}",
        f"            by whom film or photo SHA-256 {'e' * 64} shows",
    ]
    assert "proves nothing" in provenance_lines(None)[1]


def test_films_are_ingredients_of_a_video_in_which_someone_is_replaced(signed, tmp_path):
    path, unsigned = tmp_path / "in_film.mp4", signing.unsigned_video(tmp_path / "u.mp4")
    content = "compositeWithTrainedAlgorithmicMedia"
    altered = signing.with_byte_changed(signed, signed.stat().st_size - 20)
    films = {unsigned: 1, signed: 2, altered: 2, None: 1, tmp_path / "film.mkv": 1}
    for film, num_manifests in films.items():
        how = {"content": content, "film": film}
        sign_file(path, unsigned, {"scene": SCENE}, load_credentials(), **how)
        found = read_provenance(path)
        assert (found.integrity, found.assertion["scene"]) == ("unaltered", SCENE)
        report = json.loads(verification._report_text(path))
        assert len(report["manifests"]) == num_manifests
        ingredients = active(report)["ingredients"]
        parts = {(each["relationship"], each["instance_id"]) for each in ingredients}
        film_and_target = ("componentOf", f"sha256:{'d' * 64}"), ("inputTo", f"sha256:{'e' * 64}")
        assert parts == set(film_and_target)
    actions = active(report)["assertions"][0]["data"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.created", "c2pa.placed"]
    placed = actions[1]["parameters"]["ingredients"]
    assert [each["url"].rpartition("/")[2] for each in placed] == [ingredients[0]["label"]]
    assert not active(json.loads(verification._report_text(signed))).get("ingredients")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.update(active_manifest="urn:c2pa:another"),
        lambda report: active(report)["assertions"].append({"label": "c2pa.actions", "data": [1]}),
    ],
)
def test_a_report_of_another_form_is_one_line(spoil, signed, monkeypatch):
    report = json.loads(verification._report_text(signed))
    spoil(report)
    monkeypatch.setattr(verification, "_report_text", lambda path: json.dumps(report))
    with pytest.raises(ProvenanceError, match=r"v\.mp4: [^\n]*$"):
        read_provenance(signed)


def active(report):
    return report["manifests"][report["active_manifest"]]
