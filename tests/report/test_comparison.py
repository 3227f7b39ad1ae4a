"""Two runs on one page."""

import shutil

import pytest

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.report.comparison import choose_transfer, write_comparison_page
from motiontransfer.report.revisions import Revision
from motiontransfer.video.writer import write_video
from tests.report.conftest import RATE, coded_frames


@pytest.fixture(scope="module")
def page(two_runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    old, new = Revision(two_runs, "HEAD~1"), Revision(two_runs, "HEAD")
    assert write_comparison_page(path, old, new, transfer="ada_as_ben") == ()
    return path


def test_both_runs_and_what_else_there_is_move_together(page, open_page):
    opened = open_page(page)
    assert opened.panels == ["source", "before", "after", "truth"]
    opened.wait_for_codes(0, opened.panels)
    opened.page.locator("#scrubber").fill("31")
    opened.wait_for_codes(31, opened.panels)
    assert opened.complaints == []


def test_it_says_what_changed_with_a_word_and_a_sign(page, open_page):
    opened = open_page(page)
    rows = opened.page.locator("table.metrics tr").all_inner_texts()
    ssim = next(row for row in rows if "SSIM" in row)
    verdict, *numbers = ssim.split("\t")[1:]
    assert verdict.split("\n")[:2] == ["▲ better", "the intervals overlap"]
    assert numbers == ["0.5000", "0.7500", "+0.25"]
    assert "same" in next(row for row in rows if "Flicker" in row)
    params = opened.page.locator("table.files tbody tr").all_inner_texts()
    assert params == ["train.steps\t5\t9"]
    lead = opened.page.locator(".lead").inner_text()
    assert lead.startswith("HEAD is better in 1 of 5 metrics, worse in 0, the same in 4.")
    assert "1 param differs" in lead
    assert "Five steps" in opened.page.locator(".runs").inner_text()


def test_the_curves_are_of_both_runs(page, open_page):
    opened = open_page(page, fragment="#frame=20")
    key = opened.page.locator('[data-chart="person_ssim"] .key')
    assert [" ".join(text.split()) for text in key.all_inner_texts()] == [
        "HEAD 1.15",
        "HEAD~1 0.9",
    ]


@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_the_screen(page, open_page, width):
    opened = open_page(page, width=width)
    assert opened.page.evaluate("() => document.documentElement.scrollWidth") == width


def test_the_workspace_can_be_one_of_the_two(two_runs, tmp_path):
    path = tmp_path / "page.html"
    old, new = Revision(two_runs, "HEAD"), Revision(two_runs, "workspace")
    write_comparison_page(path, old, new, transfer="ada_as_ben")
    assert "the files as they lie here" in path.read_text()


def test_the_only_transfer_need_not_be_named(two_runs):
    revision = Revision(two_runs, "HEAD")
    assert choose_transfer(revision, None) == "ada_as_ben"
    assert choose_transfer(revision, "ada_as_ben") == "ada_as_ben"
    with pytest.raises(ParamsError, match=r"revision 'HEAD': no transfer 'x'; it has ada_as_ben"):
        choose_transfer(revision, "x")


def test_of_several_transfers_one_must_be_named(two_runs, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(two_runs, copy, symlinks=True)
    params = (copy / "params.yaml").read_text()
    line = next(line for line in params.splitlines() if "ada_as_ben" in line)
    (copy / "params.yaml").write_text(params.replace(line, f"{line}\n{line.replace('ada_', 'b_')}"))
    with pytest.raises(ParamsError, match=r"name one with --transfer: ada_as_ben, b_as_ben"):
        choose_transfer(Revision(copy, "workspace"), None)


def test_a_panel_that_is_gone_is_left_out_and_said_so(two_runs, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(two_runs, copy, symlinks=True)
    (copy / "data/truth/real.mkv.dvc").unlink()
    (copy / "data/truth/real.mkv").unlink()
    notes = write_comparison_page(
        tmp_path / "page.html",
        Revision(copy, "HEAD"),
        Revision(copy, "workspace"),
        transfer="ada_as_ben",
    )
    assert len(notes) == 1
    assert notes[0].startswith("truth is not shown: data/truth/real.mkv: not in revision")


def test_of_runs_of_different_length_the_shorter_counts_and_it_is_said(two_runs, tmp_path):
    copy, page = tmp_path / "project", tmp_path / "page.html"
    shutil.copytree(two_runs, copy, symlinks=True)
    write_video(copy / "results/ada_as_ben/transfer.mp4", coded_frames(30), frame_rate=RATE)
    old, new = Revision(copy, "HEAD"), Revision(copy, "workspace")
    notes = write_comparison_page(page, old, new, transfer="ada_as_ben")
    assert notes == ("the runs have 50 and 30 frames; the shorter counts",)
    assert '"frames": 30' in page.read_text()


def test_a_result_that_is_gone_is_an_error(two_runs, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(two_runs, copy, symlinks=True)
    shutil.rmtree(copy / ".dvc/cache")
    with pytest.raises(MissingFileError, match="dvc fetch"):
        write_comparison_page(
            tmp_path / "page.html",
            Revision(copy, "HEAD"),
            Revision(copy, "workspace"),
            transfer="ada_as_ben",
        )
    assert not (tmp_path / "page.html").exists()
