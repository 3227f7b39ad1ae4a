import json
import re
import shutil
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.project_files import edit_sections
from tests.tiny_project import SIZE, SOURCE_FRAMES, dvc, repro, run


@pytest.fixture(scope="module")
def project(tiny_run, tmp_path_factory) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("end_to_end") / "project"))


def would_run(root: Path) -> set[str]:
    done = dvc(root, "status", "--json")
    assert done.returncode == 0, done.stderr
    return {name.split(":")[-1] for name in json.loads(done.stdout)}


def test_the_result_has_the_frames_rate_and_sound_of_the_source(project):
    with av.open(str(project / "results/ada_as_ben/transfer.mp4")) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.pix_fmt == "yuv420p"
        assert stream.average_rate == 25
        assert (stream.height, stream.width) == (SIZE, SIZE)
        assert len(video.streams.audio) == 1
        assert sum(1 for _ in video.decode(stream)) == SOURCE_FRAMES


def test_the_comparison_shows_four_panels_because_there_is_a_truth(project):
    with av.open(str(project / "results/ada_as_ben/comparison.mp4")) as video:
        assert 4 * SIZE <= video.streams.video[0].width < 5 * SIZE
        assert sum(1 for _ in video.decode(video=0)) == SOURCE_FRAMES
    written = {path.name for path in (project / "results/ada_as_ben").iterdir()}
    assert written == {
        *("comparison.mp4", "transfer.mp4", "preview.mp4", "backgrounds"),
        *("contact_sheet.png", "report.html", "metrics.json"),
    }
    counts = json.loads((project / "artifacts/counts/ada_as_ben/encode.json").read_text())
    expected = {"frames": SOURCE_FRAMES, "frames_per_second": 25, "height": SIZE, "width": SIZE}
    assert expected.items() <= counts.items()
    assert 0 <= counts["parts_of_unfilmed_side"] <= counts["frames_with_unfilmed_side"] <= 1


def test_metrics_are_few_and_dvc_shows_them(project):
    metrics = json.loads((project / "results/ada_as_ben/metrics.json").read_text())
    named = {"truth_person", "truth_face", "pose_px"}
    # A face of a few pixels is not always one whose sharpness can be told.
    sharp = {"sharp_faces", "sharp_hands", "truth_hands"}
    assert named <= metrics.keys() <= named | sharp
    shown = dvc(project, "metrics", "show")
    assert "metrics.json" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 120
    assert shown.returncode == 0


def test_dvc_draws_curves_and_pictures_sorted_into_chapters_without_a_network(project, browser):
    template = ("--html-template", "artifacts/plots_page.html")
    shown = dvc(project, "plots", "show", "--out", "plots", *template)
    assert shown.returncode == 0, shown.stderr
    assert "failed" not in shown.stderr
    page = (project / "plots/index.html").read_text()
    for curve in ("generator/l1.tsv", "evaluation_transfer/ada_as_ben/truth_likeness_person.csv"):
        assert curve in page
    assert not re.findall(r'id = "[^"]*_json"', page)  # which holds no curve
    asked, faults = [], []
    with browser.new_context(offline=True) as context:
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto((project / "plots/index.html").as_uri())
        tab.wait_for_function("document.querySelectorAll('canvas, svg.marks').length > 2")
        assert tab.locator("h2").all_inner_texts()[:3] == [
            "Transfers",
            "Held-out frames",
            "Training",
        ]
        widths = tab.locator("section img").evaluate_all("all => all.map(it => it.naturalWidth)")
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert widths
    assert all(widths)


def test_a_second_repro_runs_nothing(project):
    assert repro(project) == set()


def test_editing_a_module_concerns_the_stages_that_import_it(project):
    path = project / "motiontransfer/training/params.py"
    original = path.read_text()
    path.write_text(original + "\n# edited\n")
    assert repro(project, "code") == {"code"}
    assert would_run(project) == {"check_params", "train_gan@ada", "train_face_gan@ada"}
    path.write_text(original)
    repro(project, "code")


def test_what_only_encodes_or_logs_or_chooses_the_same_person_generates_nothing(project):
    """Of several changes at once no more runs again than of each, as docs/experiments.md has it."""

    def change(params):
        params["videos"]["demo_dance"]["person"] = "longest"  # the one person in view, as before
        params["render"].update(crf=30, contact_sheet_columns=2, visible_label="corner")
        params["render"]["background"] = "sea.png"
        params["logging"] = dict.fromkeys(params["logging"], 1)

    behind = project / "data/backgrounds/sea.png"
    Image.new("RGB", (40, 30), "blue").save(behind)
    edit_sections(project, change)
    of_video = {f"{stage}@ada_as_ben" for stage in ("encode", "evaluate_transfer", "report")}
    labeled = {"preview@ada_as_ben", *of_video}
    assert repro(project) == {"check_params", "clean_keypoints@demo_dance", *labeled}
    assert (project / "results/ada_as_ben/backgrounds/sea.mp4").exists()
    Image.new("RGB", (40, 30), "red").save(behind)
    assert would_run(project) == {"encode@ada_as_ben"}  # and what reads its videos
    Image.new("RGB", (40, 30), "blue").save(behind)


def test_a_dance_of_another_dancer_trains_nothing(project, tmp_path):
    shutil.copy(project / "data/truth/demo.mp4", tmp_path / "cleo.mp4")
    shutil.copy(project / "demo/clips/target.mp4", tmp_path / "me.mp4")  # known by its content
    films = [str(tmp_path / name) for name in ("cleo.mp4", "me.mp4")]
    done = run(project, "motiontransfer", "dance", *films)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = "".join(log.read_text() for log in (project / ".dvc/tmp/jobs").glob("*.log"))
    of_video = ("decode", "detect_keypoints", "clean_keypoints", "fit_normalization")
    others = ("normalize", "preview", "render", "encode", "evaluate_transfer", "report")
    assert set(re.findall(r"^Running stage '(.+)'", printed, re.MULTILINE)) == {
        *("check_params", *(f"{stage}@cleo" for stage in of_video)),
        *(f"{stage}@ada_as_cleo" for stage in others),
    }
    assert (project / "results/ada_as_cleo/report.html").exists()
    with av.open(str(project / "results/ada_as_cleo/comparison.mp4")) as video:
        assert 3 * SIZE <= video.streams.video[0].width < 4 * SIZE
