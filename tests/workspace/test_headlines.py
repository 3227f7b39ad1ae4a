"""What came of a run is told beside the run before."""

import json

import pytest

from motiontransfer.workspace.headlines import Headline, headlines, metrics_files, table
from tests.workspace.stub_pipeline import commit, run


def headline(value, before, better="higher"):
    return Headline(words="w", value=value, before=before, better=better)


@pytest.mark.parametrize(
    ("value", "before", "better", "judgement"),
    [
        (0.9, 0.8, "higher", "better"),
        (0.7, 0.8, "higher", "worse"),
        (0.7, 0.8, "lower", "better"),
        (9.0, 8.0, "lower", "worse"),
        (0.8001, 0.8, "higher", "as before"),
        (0.0, 0.0, "lower", "as before"),
        (0.8, None, "higher", "new"),
    ],
)
def test_better_is_told_from_worse(value, before, better, judgement):
    assert headline(value, before, better).judgement == judgement


def write(root, all_px):
    path = root / "results/x/metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"body_found": 1.0, "pose_distance_px": {"all": all_px}}
    path.write_text(json.dumps({"detection": {"ours": found}}))


def test_the_run_before_is_what_lay_here_else_the_last_commit(tmp_path):
    write(tmp_path, 4.0)
    run("git", "init", "--quiet", at=tmp_path)
    commit(tmp_path)
    write(tmp_path, 3.0)
    before = metrics_files(tmp_path)
    write(tmp_path, 2.0)
    ((path, now),) = metrics_files(tmp_path).items()
    lines = headlines(path, now, before=before, root=tmp_path)
    assert [(line.value, line.before) for line in lines] == [(1.0, 1.0), (2.0, 3.0)]
    lines = headlines(path, now, before={}, root=tmp_path)
    assert [(line.value, line.before) for line in lines] == [(1.0, 1.0), (2.0, 4.0)]
    assert list(table(lines))[1] == (
        *("pose, px from where it should be", "2.000", "4.000", "better"),
    )


def test_without_git_and_without_a_run_before_all_is_new(tmp_path):
    write(tmp_path, 4.0)
    ((path, now),) = metrics_files(tmp_path).items()
    lines = headlines(path, now, before={}, root=tmp_path)
    assert [line.judgement for line in lines] == ["new", "new"]


def test_files_that_are_no_metrics_are_left_out(tmp_path):
    write(tmp_path, 4.0)
    (tmp_path / "results/y").mkdir()
    (tmp_path / "results/y/metrics.json").write_text("{broken")
    assert [str(path) for path in metrics_files(tmp_path)] == ["results/x/metrics.json"]
