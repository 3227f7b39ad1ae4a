import shutil
from pathlib import Path

import pytest

from motiontransfer.core.errors import GitError, MissingFileError, ParamsError
from motiontransfer.report import compare
from motiontransfer.video.writer import write_video
from tests.project.small_project import commit_all
from tests.report.conftest import RATE, coded_frames, wait_for_codes

RESULT = Path("results/ada_as_ben/transfer.mp4")


@pytest.fixture(scope="module")
def comparison(two_runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    old, new = compare.Revision(two_runs, "HEAD~1"), compare.Revision(two_runs, "HEAD")
    assert compare.write_comparison_page(path, old, new, transfer="ada_as_ben") == ()
    return path


@pytest.mark.slow
def test_videos_move_together_and_differences_have_a_verdict_and_a_sign(comparison, open_page):
    page = open_page(comparison, fragment="#frame=20")
    wait_for_codes(page, 20, ["source", "before", "after", "truth"])
    rows = page.locator("table.metrics tr").all_inner_texts()
    ssim = next(row for row in rows if "Likeness" in row)
    verdict, *numbers = ssim.split("\t")[1:]
    assert verdict == "≈ within noise"  # the intervals overlap
    assert numbers == ["0.5000", "0.7500", "+0.25"]
    assert "same" in next(row for row in rows if "flicker" in row)
    params = page.locator("table.files tbody tr").all_inner_texts()
    assert params == ["train.steps\t5\t9"]
    lead = page.locator(".lead").inner_text()
    assert lead.startswith("HEAD is better in 0 of 6 metrics, worse in 0; 6 are the same")
    assert "1 param differs" in lead
    assert "Five steps" in page.locator(".runs").inner_text()
    key = page.locator('[data-chart="truth_likeness_person"] .key').all_inner_texts()
    assert [" ".join(text.split()) for text in key] == ["HEAD 1.15", "HEAD~1 0.9"]


@pytest.fixture
def copy(two_runs, tmp_path):
    return shutil.copytree(two_runs, tmp_path / "project", symlinks=True)


def _compared(path, project):
    old, new = compare.Revision(project, "HEAD"), compare.Revision(project, "workspace")
    return compare.write_comparison_page(path, old, new, transfer="ada_as_ben")


def test_of_several_transfers_one_must_be_named_and_the_only_one_need_not(copy):
    revision = compare.Revision(copy, "HEAD")
    for named in (None, "ada_as_ben"):
        assert compare.choose_transfer(revision, named) == "ada_as_ben"
    with pytest.raises(ParamsError, match=r"'HEAD': .*'x'.* ada_as_ben"):
        compare.choose_transfer(revision, "x")
    films = (copy / "films.yaml").read_text()
    line = next(line for line in films.splitlines() if "ada_as_ben" in line)
    (copy / "films.yaml").write_text(films.replace(line, f"{line}\n{line.replace('ada_', 'b_')}"))
    with pytest.raises(ParamsError, match="--transfer: ada_as_ben, b_as_ben"):
        compare.choose_transfer(compare.Revision(copy, "workspace"), None)


def test_a_missing_panel_is_left_out_with_a_note(copy, tmp_path):
    for path in ("data/truth/real.mkv.dvc", "data/truth/real.mkv"):
        (copy / path).unlink()
    (note,) = _compared(tmp_path / "page.html", copy)
    assert note.startswith("truth is not shown: data/truth/real.mkv: ")


def test_runs_of_different_length_are_compared_up_to_the_shorter(copy, tmp_path):
    write_video(copy / RESULT, coded_frames(30), frame_rate=RATE)
    notes = _compared(tmp_path / "page.html", copy)
    assert len(notes) == 1
    assert '"frames": 30' in (tmp_path / "page.html").read_text()


def test_params_that_differ_are_listed_with_those_that_came_and_went():
    differences = compare.param_differences(
        {"train": {"steps": 5, "rate": 1.0}, "gone": 1},
        {"train": {"steps": 7, "rate": 1.0}, "new": [1, 2]},
    )
    assert [(d.key, d.before, d.after) for d in differences] == [
        ("train.steps", "5", "7"),
        ("new", None, "[1, 2]"),
        ("gone", "1", None),
    ]


@pytest.mark.parametrize(
    ("name", "steps"), [("HEAD~1", 5), ("main", 9), ("trial", 11), ("workspace", 7)]
)
def test_files_are_those_of_the_revision(two_runs, name, steps, tmp_path):
    before, revision = _files(two_runs), compare.Revision(two_runs, name)
    assert revision.read_params()["train"] == {"steps": steps, "rate": 0.5}
    copy = revision.copy(RESULT, tmp_path / "copy.mp4")
    assert copy.read_bytes() == (two_runs / RESULT).read_bytes()
    assert _files(two_runs) == before


def _files(root):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size, path.stat().st_ino)
        for path in sorted((root / "results").rglob("*"))
    }


def test_revisions_and_files_that_do_not_exist_are_refused(two_runs, tmp_path):
    revision = compare.Revision(two_runs, "HEAD~1")
    assert (len(revision.commit), revision.message) == (7, "Five steps")
    assert compare.Revision(two_runs, "workspace").commit == ""
    with pytest.raises(MissingFileError, match=r"results/x/y\.mp4: .*'HEAD~1'"):
        revision.read(Path("results/x/y.mp4"))
    with pytest.raises(ParamsError, match="revision 'nope'"):
        compare.Revision(two_runs, "nope")
    with pytest.raises(GitError, match="not a git repository"):
        compare.Revision(tmp_path, "HEAD")


def test_a_project_may_be_a_folder_of_gits_repository(copy, tmp_path):
    shutil.move(copy / ".git", tmp_path)
    commit_all(copy)
    revision = compare.Revision(copy, "HEAD")
    assert revision.read_params()["train"]["steps"] == 7
    assert revision.copy(RESULT, tmp_path / "copy").read_bytes() == (copy / RESULT).read_bytes()
    assert compare.choose_transfer(revision, None) == "ada_as_ben"


def test_a_file_that_left_the_cache_is_named_with_the_remedy(copy, tmp_path):
    shutil.rmtree(copy / ".dvc/cache")
    revision = compare.Revision(copy, "HEAD~1")
    in_folder = Path("artifacts/frames/ben/dance/frames.mkv")  # which DVC tracks as a whole
    for path in (RESULT, in_folder):
        with pytest.raises(MissingFileError, match=r"'HEAD~1': .*dvc fetch"):
            revision.read(path)
    with pytest.raises(MissingFileError, match="dvc fetch"):
        _compared(tmp_path / "page.html", copy)
    assert not (tmp_path / "page.html").exists()
