"""Results: what is listed, and what the tab shows of them; in a browser too."""

import json
import os
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from motiontransfer.app.results import deletable, detail, gallery, is_comparable
from motiontransfer.app.runs import Queue
from motiontransfer.project.results import Result, finished_results
from motiontransfer.video.conversion import write_gif, write_webm
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.reader import read_metadata
from motiontransfer.video.writer import write_video
from tests.command import run_command
from tests.films import film_person
from tests.project_files import edit_sections, write_sections

SOON = 60_000  # ms: commands take seconds to load
OF = {"source": "waltz", "source_subject": "ben", "truth": "none"}
RESULT = Result(
    name="ada_as_ben",
    target="ada",
    source="waltz",
    video=Path("results/ada_as_ben/transfer.mp4"),
    dance=Path("data/videos/waltz.mp4"),
    comparison=Path("results/ada_as_ben/comparison.mp4"),
    report=Path("results/ada_as_ben/report.html"),
    others=(Path("results/ada_as_ben/backgrounds/alpha.webm"),),
    made=1e9,
    num_bytes=2_500_000,
    size=(480, 640),
)


def film(path: Path, *, num_frames=60, rate=10):
    """Frames each of another gray."""
    frames = (np.full((96, 128, 3), index, np.uint8) for index in range(num_frames))
    write_video(path, frames, frame_rate=Fraction(rate))


@pytest.fixture
def listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    videos = {"waltz": {"path": "data/videos/waltz.mp4", "subject": "ben"}}
    transfers = {name: {**OF, "target": name[:3]} for name in ("ada_as_ben", "eve_as_ben")}
    write_sections({"videos": videos, "subjects": ["ben"], "transfers": transfers})
    for seconds, name in enumerate(("gone_as_ben", "ada_as_ben")):
        file = Path(f"results/{name}/transfer.mp4")
        film(file)
        os.utime(file, (seconds, seconds))
    Path("results/guides/waltz").mkdir(parents=True)
    return tmp_path


def test_every_result_that_is_there_is_found_the_newest_first_also_one_without_an_entry(listed):
    counts = Path("artifacts/counts/ada_as_ben/encode.json")
    counts.parent.mkdir(parents=True)
    counts.write_text(json.dumps({"height": 96, "width": 128}))
    for path in ("backgrounds/alpha.webm", "report.html"):
        Path("results/ada_as_ben", path).parent.mkdir(exist_ok=True)
        Path("results/ada_as_ben", path).touch()
    ada, gone = finished_results()
    assert (ada.name, ada.target, ada.source, ada.size) == ("ada_as_ben", "ada", "waltz", (96, 128))
    assert (ada.report, ada.comparison) == (Path("results/ada_as_ben/report.html"), None)
    assert ada.others == (Path("results/ada_as_ben/backgrounds/alpha.webm"),)
    assert ada.dance is None  # its film is not there
    assert (gone.name, gone.target, gone.source, gone.size) == ("gone_as_ben", "", "", None)


def test_the_commands_list_results_and_convert_them(listed, monkeypatch, capsys):
    assert not run_command(monkeypatch, "list-results")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("results/ada_as_ben/transfer.mp4: ada performs waltz, 1970-01-01 ")
    assert second.startswith("results/gone_as_ben/transfer.mp4: no transfer any more, 1970-01-01 ")
    assert not run_command(monkeypatch, "list-results", "--json")
    names = [each["name"] for each in json.loads(capsys.readouterr().out)]
    assert names == ["ada_as_ben", "gone_as_ben"]
    for name, output, told in (
        ("ada_as_ben", "ada.gif", "wrote ada.gif\n"),
        ("eve_as_ben", "ada.gif", "no finished result 'eve_as_ben'; there are ada_as_ben, gone"),
        ("ada_as_ben", "ada.avi", "expected a name that ends in .gif or .webm, got ada.avi"),
        ("ada_as_ben", "results/ada_as_ben/transfer.mp4", "expected a name that ends in .gif or"),
    ):
        status = run_command(monkeypatch, "convert", name, "--output", output)
        assert (status or 0) == (not told.startswith("wrote"))
        assert told in "".join(capsys.readouterr())


@pytest.mark.parametrize("rate", [10, 24, 30])
def test_a_gif_is_four_seconds_of_the_middle_and_a_webm_all_of_it(tmp_path, rate):
    video = tmp_path / "film.mp4"
    film(video, num_frames=4 * rate + 20, rate=rate)
    write_gif(video, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as image:
        durations = []
        for index in range(image.n_frames):
            image.seek(index)
            durations.append(image.info["duration"])
            if index == 0:
                gray = np.asarray(image.convert("RGB"))
        assert (image.size, image.info["loop"]) == ((128, 96), 0)
    assert sum(durations) == 4000
    assert abs(gray.mean() - 10) < 4  # ten frames are left out on each side
    write_webm(video, tmp_path / "film.webm")
    made = read_metadata(tmp_path / "film.webm")
    assert (made.codec, made.size, made.frame_rate) == ("vp9", (96, 128), rate)
    with FrameStore(tmp_path / "film.webm") as store:
        assert len(store) == 4 * rate + 20
    large = [np.zeros((1000, 500, 3), np.uint8)] * 3  # and short: it is whole
    write_video(video, large, frame_rate=Fraction(30))
    write_gif(video, tmp_path / "small.gif")
    with Image.open(tmp_path / "small.gif") as image:
        assert image.size == (200, 400)


def test_a_card_has_both_names_the_date_and_the_size():
    cards = gallery([RESULT, replace(RESULT, name="<old>", target="", source="", size=None)])
    assert cards.count("<button") == cards.count("<video") == 2
    assert 'data-name="ada_as_ben"' in cards
    assert "ada dances waltz" in cards
    assert re.search(r"2001-09-0\d \d\d:\d\d, 640x480 px, 2\.5 MB", cards)
    assert 'data-name="&lt;old&gt;"' in cards
    assert "<old>" not in cards
    assert "Nothing is finished yet" in gallery([])


def test_the_dance_is_beside_the_result_where_browsers_play_it():
    both = detail(RESULT)
    assert re.findall('<video class="(.*?)"', both) == ["dance", "made"]
    assert 'data-does="wipe"' in both
    assert re.findall('download="(.*?)"', both) == ["ada_as_ben.mp4", "ada_as_ben_alpha.webm"]
    assert ">Report</a>" in both
    for dance in (None, Path("data/videos/waltz.mkv")):
        alone = detail(replace(RESULT, dance=dance, report=None))
        assert re.findall('<video class="(.*?)" src="(.*?)\\?', alone) == [
            ("made", "/project/results/ada_as_ben/comparison.mp4")
        ]
        assert 'data-does="wipe"' not in alone
        assert ">Report</a>" not in alone


def test_two_of_one_dance_are_compared_and_what_is_deleted_is_named():
    assert is_comparable(RESULT, replace(RESULT, name="eve_as_ben"))
    assert not is_comparable(RESULT, RESULT)
    assert not is_comparable(RESULT, replace(RESULT, name="ada_as_eve", source="tango"))
    named = [value for _, value in deletable(RESULT)]
    assert named == ["transfers.ada_as_ben", "subjects.ada", "videos.waltz"]
    assert deletable(replace(RESULT, target="", source="")) == [("this result", "ada_as_ben")]


def test_the_queue_forgets_what_has_no_films_any_more_with_its_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".dvc/tmp/app").mkdir(parents=True)
    for name in ("waltz.mp4", "ada.mp4", "eve.mp4"):
        Path(name).touch()
    queue = Queue()
    for me in ("ada.mp4", "eve.mp4"):
        queue.add("waltz.mp4", me)
    logs = [run.log for run in queue.runs()]
    for log in logs:
        log.touch()
    queue.forget()
    assert len(queue.runs()) == 2
    Path("eve.mp4").unlink()
    queue.forget()
    assert [run.me for run in queue.runs()] == ["ada.mp4"]
    assert [log.exists() for log in logs] == [True, False]


@pytest.fixture
def danced(project):
    """Two people for one dance; of one there is a result."""
    films = {"waltz": 50, "me": 60, "eve": 70}
    for name, x in films.items():
        film_person(project / f"data/videos/{name}.mp4", [(x, 40)] * 25)
    result = project / "results/me_as_waltz/transfer.mp4"
    result.parent.mkdir(parents=True)
    shutil.copy(project / "film.mp4", result)
    edit_sections(
        project,
        lambda sections: sections.update(
            videos={it: {"path": f"data/videos/{it}.mp4", "subject": it} for it in films},
            subjects=[*films],
            targets=["me", "eve"],
            trained=["me", "eve"],
            transfers={"me_as_waltz": {**OF, "source_subject": "waltz", "target": "me"}},
        ),
    )
    (project / "go").touch()
    return project


@pytest.mark.slow
def test_a_result_is_queued_compared_played_downloaded_and_deleted(danced, served, shown):
    _, address = served(sees="somebody")
    with shown(address) as page:
        page.get_by_role("tab", name="People").click()
        page.get_by_role("gridcell", name="not yet").click(timeout=SOON)
        done = page.get_by_role("listitem").filter(has_text="eve performs waltz: Done.")
        expect(done).to_be_visible(timeout=2 * SOON)
        page.get_by_role("tab", name="Compare").click()
        page.get_by_role("button", name="Show them together").click()
        expect(page.locator(".fault")).to_be_visible(timeout=SOON)
        page.get_by_role("tab", name="Results").click()
        expect(page.get_by_role("button", name="eve dances waltz")).to_be_visible(timeout=SOON)
        page.get_by_role("button", name="me dances waltz").press("Enter")
        heading = page.get_by_role("heading", name="me dances waltz")
        expect(heading).to_be_focused(timeout=SOON)
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("""() => {
            const [dance, made] = document.querySelectorAll(".pair video")
            return made.currentTime > 0.2 && Math.abs(dance.currentTime - made.currentTime) < 0.2
        }""")
        page.get_by_role("button", name="Slider").click()
        page.get_by_label("From the dance to the result").fill("20")
        shown_part = "getComputedStyle(document.querySelector('.made')).clipPath"
        assert page.evaluate(shown_part) == "inset(0px 0px 0px 20%)"
        page.get_by_role("button", name="GIF").click()
        for name in ("me_as_waltz.gif", "me_as_waltz.mp4"):
            link = page.locator(f"a[download='{name}']:visible")  # Make has it, too
            expect(link).to_be_visible(timeout=SOON)
            with page.expect_download() as download:
                link.click()
            assert download.value.path().stat().st_size > 1000
        page.get_by_role("button", name="Delete").click()
        page.get_by_label("What goes").click()
        page.get_by_role("option", name="everything of me").click()
        page.get_by_role("button", name="Show what would go").click()
        expect(page.get_by_text("goes: the person me")).to_be_visible(timeout=SOON)
        assert (danced / "data/videos/me.mp4").exists()
        page.get_by_role("button", name="Delete it for good").click()
        expect(page.get_by_text("deleted the person me, ")).to_be_visible(timeout=SOON)
        expect(page.get_by_role("button", name="me dances waltz")).to_have_count(0, timeout=SOON)
    assert [path.name for path in danced.glob("results/*_as_*")] == ["eve_as_waltz"]
    kept = sorted(path.name for path in danced.glob("data/videos/*.mp4"))
    assert kept == ["eve.mp4", "waltz.mp4"]
