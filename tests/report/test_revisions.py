"""Files of commits, experiments and the workspace, from git and from DVC's cache."""

import shutil
from pathlib import Path

import pytest

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.report.revisions import Revision

RESULT = Path("results/ada_as_ben/transfer.mp4")


@pytest.mark.parametrize(
    ("name", "steps"), [("HEAD~1", 5), ("HEAD", 9), ("main", 9), ("trial", 11), ("workspace", 7)]
)
def test_params_are_those_of_the_revision(two_runs, name, steps):
    assert Revision(two_runs, name).read_params()["train"] == {"steps": steps, "rate": 0.5}


@pytest.mark.parametrize("name", ["HEAD~1", "trial", "workspace"])
def test_files_of_dvcs_cache_are_read_without_touching_the_workspace(two_runs, name, tmp_path):
    before = _files(two_runs)
    copy = Revision(two_runs, name).copy(RESULT, tmp_path / "copy.mp4")
    assert copy.read_bytes() == (two_runs / RESULT).read_bytes()
    assert _files(two_runs) == before


def _files(root):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size, path.stat().st_ino)
        for path in sorted((root / "results").rglob("*"))
    }


def test_a_commit_says_its_hash_and_the_first_line_of_its_message(two_runs):
    facts = Revision(two_runs, "HEAD~1").facts
    assert (len(facts.commit), facts.message) == (7, "Five steps")
    assert Revision(two_runs, "workspace").facts.commit == ""


def test_an_unknown_revision_is_one_line_that_says_what_would_do(two_runs):
    with pytest.raises(ParamsError, match=r"^revision 'nope': unknown Git revision .*experiment"):
        Revision(two_runs, "nope")


def test_without_git_there_are_no_revisions(tmp_path):
    with pytest.raises(ParamsError, match=r"revision 'HEAD': .* not a git repository"):
        Revision(tmp_path, "HEAD")


def test_a_file_that_the_revision_never_had_is_named(two_runs):
    with pytest.raises(MissingFileError, match=r"results/x/transfer\.mp4: not in revision 'HEAD'"):
        Revision(two_runs, "HEAD").read(Path("results/x/transfer.mp4"))


def test_a_file_that_left_the_cache_is_told_how_to_get_back(two_runs, tmp_path):
    copy = tmp_path / "clone"
    shutil.copytree(two_runs, copy, symlinks=True)
    shutil.rmtree(copy / ".dvc/cache")
    revision = Revision(copy, "HEAD~1")
    assert revision.has(RESULT)
    with pytest.raises(
        MissingFileError, match=r"of revision 'HEAD~1': .*`dvc fetch --all-commits`"
    ):
        revision.read(RESULT)
    table = Path("artifacts/evaluation_transfer/ada_as_ben/per_frame.csv")  # in a folder of DVC's
    with pytest.raises(
        MissingFileError, match=r"of revision 'HEAD~1': .*`dvc fetch --all-commits`"
    ):
        revision.read(table)
