import pytest

from motiontransfer.core.errors import MissingFileError, ParamsError
from motiontransfer.core.params import Transfer
from motiontransfer.report.compare import write_transfers_page
from motiontransfer.video.frame_store import write_frames
from motiontransfer.video.writer import write_video
from tests.command import run_command
from tests.project_files import write_sections
from tests.report.conftest import NUM_FRAMES, RATE, coded_frames

NAMES = ("ada_as_ben", "eve_as_ben")


@pytest.fixture
def transfers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "artifacts/frames/ben/dance/frames.mkv"
    write_frames(store, coded_frames(), frame_rate=RATE)
    for name in NAMES:
        result = tmp_path / f"results/{name}/transfer.mp4"
        write_video(result, coded_frames(), frame_rate=RATE, crf=4)
    of = {"source": "dance", "source_subject": "ben", "truth": "none"}
    return {name: Transfer(target=name[:3], **of) for name in NAMES}


def test_the_page_is_of_the_source_and_each_result(transfers, tmp_path, monkeypatch, capsys):
    content = {name: each.model_dump() for name, each in transfers.items()}
    write_sections({"transfers": content})
    assert run_command(monkeypatch, "together", "ada_as_ben", "waltz") == 1
    told = "ERROR: no transfer 'waltz'; expected some of ada_as_ben, eve_as_ben\n"
    assert capsys.readouterr().err == told
    page = "artifacts/comparisons/ada_as_ben_eve_as_ben.html"
    assert not run_command(monkeypatch, "together", *NAMES)
    assert f"wrote {page}" in capsys.readouterr().out
    text = (tmp_path / page).read_text()
    for shown in ("dance", "of_ada_as_ben", "of_eve_as_ben", f'"frames": {NUM_FRAMES}'):
        assert shown in text


def test_one_transfer_two_sources_or_a_missing_result_are_refused(transfers, tmp_path):
    with pytest.raises(ParamsError, match="ada_as_ben of"):
        write_transfers_page(tmp_path / "page.html", {"ada_as_ben": transfers["ada_as_ben"]})
    others = {**transfers, "x": transfers["ada_as_ben"].model_copy(update={"source": "walk"})}
    with pytest.raises(ParamsError, match="eve_as_ben, x of dance, walk"):
        write_transfers_page(tmp_path / "page.html", others)
    (tmp_path / "results/eve_as_ben/transfer.mp4").unlink()
    with pytest.raises(MissingFileError, match="results/eve_as_ben/transfer"):
        write_transfers_page(tmp_path / "page.html", transfers)
