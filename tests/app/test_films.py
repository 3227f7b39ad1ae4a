import os
import re
import shutil
from pathlib import Path

import pytest

from motiontransfer.app import make
from motiontransfer.app.films import ALL, DONE, EVERYONE, NOT_YET, WAITING, keep_film, read_project
from motiontransfer.app.page import toggle_cell
from motiontransfer.app.runs import Queue
from motiontransfer.app.server import serve
from motiontransfer.app.views import filled
from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.events import FilmChecked
from motiontransfer.project.dances import films
from tests.films import film_person
from tests.project_files import write_sections

VIDEOS = {
    name: {"path": f"data/videos/{name}.mkv", "subject": name, "crop": "auto"}
    for name in ("waltz", "eve", "ada")
}
OF = {"source": "waltz", "source_subject": "waltz", "truth": "none"}
TRANSFERS = {f"{target}_as_waltz": {**OF, "target": target} for target in ("eve", "ada")}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = {"subjects": [*VIDEOS], "targets": ["eve", "ada"], "trained": ["ada"]}
    write_sections({"videos": VIDEOS, **people, "transfers": TRANSFERS})
    for step, name in enumerate(("waltz", "eve")):
        film_person(Path(f"data/videos/{name}.mkv"), [(50 + step, 40)] * 3)


@pytest.fixture
def upload(tmp_path):
    return film_person(tmp_path / "uploads/IMG 42.MKV", [(60, 40)] * 3)


def test_films_are_those_that_are_there(upload):
    Path("data/videos/waltz.mkv.dvc").touch()
    upload.replace("data/videos/more.mkv")
    shutil.copy("data/videos/more.mkv", "data/videos/more.mp4")
    Path("data/videos/letter.txt").write_text("Dear Ada, " * 99)
    expected = {name: Path(f"data/videos/{name}.mkv") for name in ("more", "waltz", "eve")}
    assert films() == {**expected, "more.mp4": Path("data/videos/more.mp4")}


TOLD = {"judgment": "good", "sentence": "Good.", "facts": (), "advice": ()}


def test_an_upload_becomes_a_film_under_a_name_that_is_free_unless_it_is_there(upload, monkeypatch):
    content = upload.read_bytes()
    Path("data/videos/IMG_42.mov").touch()
    path = keep_film(upload)
    assert path == Path("data/videos/IMG_42_1.mkv")
    assert path.read_bytes() == content
    assert not upload.exists()
    shutil.copy("data/videos/eve.mkv", upload)
    monkeypatch.setattr(make, "_checked", lambda *_: FilmChecked(name="eve", **TOLD))
    side, *_ = make.looked_at(str(upload), "target")  # as an example that was entered
    assert side.film == "data/videos/eve.mkv"
    assert keep_film(upload) == Path("data/videos/eve.mkv")
    assert not upload.exists()
    assert {*films()} == {"IMG_42_1", "waltz", "eve"}


def test_who_is_clicked_and_the_part_are_options_of_dance():
    two = ((0.1, 0.2, 0.3, 0.8), (0.6, 0.2, 0.9, 0.8))
    found = FilmChecked(name="eve", **TOLD, crowd="c.jpg", crowd_seconds=2.0, people=two)
    shown = filled(Path("data/videos/eve.mkv"), found, trim=None)
    assert re.findall('data-person="(.*?)"', shown) == ["0.200 0.500 2.00", "0.750 0.500 2.00"]
    chosen = filled(Path("data/videos/eve.mkv"), found.model_copy(update={"chosen": 1}), trim=None)
    assert re.findall('aria-pressed="(.*?)" aria-label="Person', chosen) == ["false", "true"]
    assert "data-person" not in filled(
        Path("eve.mkv"), found.model_copy(update={"people": two[:1]}), trim=None
    )
    dance, me = make.Side(trim=(0.0, 1.5)), make.Side(person=(0.75, 0.5, 2.0), like="a.mp4")
    assert make.chosen_options(dance, me, make.How(height="720")) == [
        *("--scene", "target", "--height", "720", "--trim", "0.0", "1.5"),
        *("--person-me", "0.75", "0.5", "2.0", "--like", "a.mp4"),
    ]


def test_outside_of_a_project_no_page_is_served():
    with pytest.raises(MissingFileError, match="no DVC project with git here"):
        serve(opens=False)
    assert not Path(".dvc").exists()


def test_every_target_by_every_dance_is_done_or_queued_or_not_there_yet():
    queue, project = Queue(), read_project()
    assert project.states([]) == {"eve": {"waltz": NOT_YET}, "ada": {"waltz": NOT_YET}}
    result = Path("results/eve_as_waltz/transfer.mp4")
    result.parent.mkdir(parents=True)
    result.touch()
    project = read_project()
    queue.add("data/videos/waltz.mkv", "data/videos/ada.mkv")
    states = project.states(queue.runs())
    assert states == {"eve": {"waltz": DONE}, "ada": {"waltz": WAITING}}


def test_targets_perform_once_their_generator_is_there_or_of_photos_their_appearance():
    for file, performers in {
        "ada/appearance": [],
        "eve/appearance": ["eve"],
        "ada/generator": ["eve", "ada"],
    }.items():
        path = Path(f"artifacts/models/{file}.safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert read_project().performers() == performers


def test_the_newest_sample_is_of_a_training_that_the_transfer_needs_and_of_this_run():
    times = {"eve/generator": 20, "eve_as_waltz/face_cycle": 10, "ada/generator": 30}
    for name, seconds in times.items():
        image = Path(f"artifacts/training/{name}/images/step_000100.png")
        image.parent.mkdir(parents=True)
        image.touch()
        os.utime(image, (seconds, seconds))
    project = read_project()
    newest = project.newest_sample("eve_as_waltz", since=15.0)
    assert newest == Path("artifacts/training/eve/generator/images/step_000100.png")
    assert project.newest_sample("eve_as_waltz", since=25.0) is None


@pytest.mark.parametrize(
    ("shown", "row", "column", "added"),
    [
        (NOT_YET, "eve", 1, [("waltz", "eve")]),
        ("eve", "eve", 0, [("waltz", "eve")]),  # her name: all dances
        (ALL, EVERYONE, 1, [("waltz", "eve"), ("waltz", "ada")]),  # the dance, for all
        (EVERYONE, EVERYONE, 0, [("waltz", "eve"), ("waltz", "ada")]),
        (DONE, "eve", 1, []),
    ],
)
def test_a_click_queues_what_is_not_there_yet(shown, row, column, added):
    queue = Queue()
    toggle_cell(queue, shown, row=row, column=column)
    assert [(Path(run.dancer).stem, Path(run.me).stem) for run in queue.runs()] == added
