import logging
import math
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from motiontransfer.cli import dance
from motiontransfer.cli.dance import _absence
from motiontransfer.cli.side_by_side import metered
from motiontransfer.core import events, layout
from motiontransfer.core.params import load_section
from motiontransfer.core.storage import write_json
from motiontransfer.pipeline.runs import RunState
from motiontransfer.project import video_check
from motiontransfer.project.dances import add_dance
from motiontransfer.project.video_check import check_video
from motiontransfer.video import isolation
from motiontransfer.video.clip import write_description
from motiontransfer.video.geometry import Framing
from motiontransfer.video.isolation import run_isolated
from tests.command import run_command
from tests.films import carrying, clip_in, film, film_person
from tests.people import from_behind, standing
from tests.project.small_project import DANCES, TRAIN, project_of_films
from tests.project_files import read_films

NAME = "IMG_42_as_the_dance"


CHECKED = {}


def checked_once(function, *arguments, **how):
    """In place of `run_isolated`: the films are those of all tests."""
    asked = str((function.__name__, arguments, how))
    if function is not check_video or asked not in CHECKED:
        CHECKED[asked] = run_isolated(function, *arguments, **how)
    return CHECKED[asked]


@pytest.fixture(autouse=True)
def project(warm, tmp_path, monkeypatch):
    monkeypatch.setattr(isolation, "run_isolated", checked_once)
    return project_of_films(tmp_path / "project", DANCES, monkeypatch)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Of two people, and of another dancer, with names that are no names of entries."""
    walked = {"the dance!": (51, 40), "IMG 42": (52, 40), "encore": (53, 40)}
    folder = tmp_path_factory.mktemp("films")
    return [film_person(folder / f"{name}.mkv", [at] * 25) for name, at in walked.items()]


def ran():
    """Stages that were run since this was asked last, by what DVC printed."""
    logs = sorted(Path(".dvc/tmp/jobs").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    printed = "".join(log.read_text() for log in logs)
    for log in logs:
        log.unlink()
    return re.findall(r"^Running stage '(.+)'", printed, re.MULTILINE)


def test_a_dance_and_another_dancer_without_training_again(films, monkeypatch, capfd):
    opened, on_end = [], signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("webbrowser.open", opened.append)
    dancer, me, another = films
    assert run_command(monkeypatch, "dance", dancer, me, "--height", "4000") == 1
    assert "--height: expected at most 256, as ME has, got 4000" in capfd.readouterr().err
    assert run_command(monkeypatch, "dance", dancer, me, "--background", "nowhere.jpg") == 1
    refused = capfd.readouterr()
    assert "render.background: no such file: data/backgrounds/nowhere.jpg" in refused.err
    assert "frames a second" not in refused.out  # before the films are looked at
    assert not run_command(monkeypatch, "dance", dancer, me)
    assert signal.getsignal(signal.SIGTERM) == on_end
    output = capfd.readouterr().out
    assert output.count("frames a second") == 2
    assert output.count("show few poses of a target") == 1
    assert "goes from films.yaml, of the demo: demo_dance, demo_target" in output
    assert "7 stages, about " in output
    decodes = {"decode@the_dance", "decode@IMG_42"}
    of_transfer = {f"{stage}@{NAME}" for stage in ("preview", "encode", "report")}
    assert set(ran()) == {"check_params", "train_gan@IMG_42", *of_transfer, *decodes}
    assert f"report: results/{NAME}/report.html" in output
    params = read_films()
    assert [*params["videos"]] == params["subjects"] == ["the_dance", "IMG_42"]
    assert params["targets"] == ["IMG_42"]
    of = {"source": "the_dance", "source_subject": "the_dance", "target": "IMG_42"}
    assert params["transfers"] == {NAME: {**of, "truth": "none"}}

    assert not run_command(monkeypatch, "dance", another, me, "--open")
    output = capfd.readouterr().out
    assert output.count("frames a second") == 1
    of_transfer = {f"{stage}@IMG_42_as_encore" for stage in ("preview", "encode", "report")}
    assert set(ran()) == {"check_params", "decode@encore", *of_transfer}
    assert opened == [Path("results/IMG_42_as_encore/transfer.mp4").resolve().as_uri()]

    before = Path("films.yaml").read_bytes()
    assert not run_command(monkeypatch, "dance", dancer, me)
    output = capfd.readouterr().out
    assert "IMG_42_as_the_dance: all is made" in output
    assert ran() == []
    assert Path("films.yaml").read_bytes() == before

    folder, shown = layout.clip_folder("IMG_42", "IMG_42"), (0, 0, 300, 300)
    framing = Framing(source_size=(300, 300), crop=shown, size=(256, 256), content=(0, 0, 256, 256))
    film(folder / layout.FRAMES_FILE, standing(1))
    write_description(folder, clip_in(folder, framing, 25), source={})
    assert run_command(monkeypatch, "dance", another, me, "--no-check", "--height", 301)
    assert "--height: expected at most 300, as ME has, got 301" in capfd.readouterr().err
    assert Path("films.yaml").read_bytes() == before

    dry = ("dance", "--dry", "--no-check", dancer, me)
    assert not run_command(monkeypatch, *dry, "--trim", "0", "0.5")
    assert "to be made again" not in capfd.readouterr().out
    assert not run_command(monkeypatch, *dry, "--trim-me", "0", "0.5")
    assert "to be made again, by `dvc repro`: IMG_42_as_encore\n" in capfd.readouterr().out


def test_what_a_run_would_refuse_no_command_forecasts_or_enters(films, monkeypatch, capfd):
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("crf: 16", "crf: high"))
    before = Path("films.yaml").read_bytes()
    for command in (
        *(("dance", "--dry", *films[:2]), ("dance", *films[:2]), ("guide", *films[:2])),
        *(("repro", "--dry"), ("add-video", "--subject", "eve", films[0])),
    ):
        assert run_command(monkeypatch, *command) == 1
        told = capfd.readouterr()
        assert "params.yaml: render.crf: input should be a valid integer" in told.err
        assert "stages, about" not in told.out
        assert Path("films.yaml").read_bytes() == before
        assert not [*Path("data/videos").glob("*.mkv")]
    assert not run_command(monkeypatch, "inspect", films[0])  # the film alone is checked


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--trim", 5, 2], "--trim: expected start and end in seconds, 0 <= start < end, or 0 0"),
        (["--trim-me", -1, 2], "--trim-me: expected start and end"),
        (["--person", 0.5, 0.5, -1], "--person: expected a place, shares of width and height"),
        (["--person-me", 2, 0.5, 0], "0 to 1, and a time in seconds, got 2 0.5 0"),
    ],
)
def test_a_part_or_place_that_no_film_has_is_told_by_the_option_before_films_are_looked_at(
    films, monkeypatch, capfd, options, told
):
    monkeypatch.setattr(dance, "check_films", None)
    assert run_command(monkeypatch, "dance", *films[:2], *options) == 1
    (error,) = capfd.readouterr().err.splitlines()
    assert told in error
    assert "films.yaml" not in error


def test_a_folder_is_called_one(films, monkeypatch, capfd, tmp_path):
    assert run_command(monkeypatch, "dance", tmp_path, films[0], "--dry") == 1
    assert capfd.readouterr().err == f"ERROR: {tmp_path}: is a folder; expected a video\n"


@pytest.mark.parametrize("options", [[], ["--events"]])
def test_ctrl_c_while_films_are_looked_at_is_told(films, monkeypatch, capfd, options):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    before = contents()
    monkeypatch.setattr(dance, "check_films", interrupt)
    assert run_command(monkeypatch, "dance", *films[:2], *options) == 1
    told = capfd.readouterr()
    assert told.err == "ERROR: stopped; the same command goes on from there\n"
    assert ('"is_stopped": true' in told.out) == bool(options)
    assert contents() == before


def test_like_a_result_means_by_its_params(films, monkeypatch, capfd, tmp_path):
    before, like = contents(), tmp_path / "result.mp4"
    carrying(like, **{"render.crf": 20, "render.provenance": "none"})
    dry = ("dance", *films[:2], "--dry", "--no-check", "--like", like)
    assert not run_command(monkeypatch, *dry, "--height", 720)
    told = capfd.readouterr().out
    assert "made by version 0.2.0; params of its own: 1; left out: render.provenance" in told
    assert "changed: render.height: null -> 720, render.crf: 16 -> 20" in told
    faults = {"render.crf": 999, "train_gan.steps": -1, "render.face": "x: &a [*a]"}
    for key, fault in (faults | {"render.height": 32}).items():
        assert run_command(monkeypatch, *dry[:-1], carrying(like, **{key: fault})) == 1
        assert f"params.yaml: {key}" in capfd.readouterr().err
    assert run_command(monkeypatch, *dry[:-1], films[0]) == 1
    assert "carries no recipe" in capfd.readouterr().err
    assert contents() == before
    carrying(like, **{"render.crf": 20})
    assert not run_command(monkeypatch, "dance", *films[:2], "--no-check", "--like", like)
    assert load_section(int, "render.crf") == 20
    assert Path(f"results/{NAME}/report.html").exists()


@pytest.mark.slow
def test_two_dancers_are_replaced_by_two_people(films, monkeypatch, capfd):
    dancer, me, other = films
    assert run_command(monkeypatch, "dance", dancer, me, "--and", other)
    assert "add --scene dancer" in capfd.readouterr().err
    both = ("dance", dancer, me, "--and", other, "--scene", "dancer")
    assert run_command(monkeypatch, *both, "--dry")
    assert "expected two dancers" in capfd.readouterr().err
    check = dance.check_films

    def of_two(*films, **how):
        found = check(*films, **how)
        return {name: replace(each, people=(2,) * len(each.people)) for name, each in found.items()}

    monkeypatch.setattr(dance, "check_films", of_two)
    assert not run_command(monkeypatch, *both, "--dry")
    output = capfd.readouterr().out
    assert output.count("frames a second") == 3
    assert "report@encore_as_the_dance_seco_in_film" in output
    assert not run_command(monkeypatch, *both, "--preview")
    assert "preview: results/IMG_42_as_the_dance_in_film/preview.mp4" in capfd.readouterr().out
    assert not [stage for stage in ran() if stage.startswith("train")]
    film = "results/IMG_42_as_the_dance_in_film/transfer.mp4"
    second = {"subject": "the_dance_second", "film": film}
    assert read_films()["scenes"]["the_dance_second"] == second


def test_progress_is_the_share_of_the_forecast_of_stages_side_by_side(monkeypatch, caplog):
    """On two cores: 100 s of two chains take 60."""
    caplog.set_level(logging.INFO, events.LOGGER)
    monkeypatch.setattr("motiontransfer.core.progress._FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr("motiontransfer.core.progress._LOG_EVERY_SECONDS", 0.0)
    began, told = time.monotonic() - 20, []
    graph = {"decode@me": [], "train_gan@me": [], "restored": [], "report@me": ["train_gan@me"]}
    forecasts = {"decode@me": 40.0, "train_gan@me": 50.0, "report@me": 10.0}
    tell = dict.fromkeys(("decode@me", "report@me"), told.append)
    with metered("me", forecasts, jobs=2, tell=tell, who={"me": "the person"}) as show:
        show(RunState(graph=graph, running={"train_gan@me": began, "restored": began}))
        assert told == []
        show(RunState(graph=graph, done={"decode@me": 3.0}, running={"train_gan@me": began}))
        assert told == ["decode@me"]
        done = {"decode@me": 3.0, "train_gan@me": 99.0}
        show(RunState(graph=graph, done=done, running={"report@me": began}))
    assert told == ["decode@me"]
    lines = [re.sub(r", about \d+ s left", "", line) for line in caplog.messages]
    running = ("restored, Training on the person", "Training on the person", "Writing the report")
    assert lines == [f"me: {n} %, {names}" for n, names in zip((33, 33, 99), running, strict=True)]


def test_a_result_is_told_of_once_it_is_there_though_its_stage_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result, told = Path("results/me/transfer.mp4"), []
    result.parent.mkdir(parents=True)
    result.touch()
    os.utime(result, (0, time.time() - 30))  # of an earlier run
    began = time.monotonic() - 20
    tell = dict.fromkeys(("encode@me", "report@me"), told.append)
    with metered("me", {}, jobs=1, tell=tell) as show:
        show(RunState(graph={}, running={"encode@me": began}))
        assert told == []
        result.touch()
        show(RunState(graph={}, running={"report@me": began}))
        assert told == []
        show(RunState(graph={}, running={"encode@me": began}))
        assert told == ["encode@me"]
        show(RunState(graph={}, done={"encode@me": 25.0}))
    assert told == ["encode@me"]


@pytest.mark.parametrize(
    ("coverage", "told"), [(0.99, ""), (0.7865, "21 % of the frames, up to 57")]
)
def test_it_is_told_where_the_dancer_is_not_found(coverage, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _absence("me") == ""
    counts = {"coverage_trunk": coverage, "longest_gap_trunk_frames": 57, "frames": 267}
    write_json(layout.counts_file("clean_keypoints", "me"), counts)
    assert told in _absence("me")
    assert bool(_absence("me")) == bool(told)


@pytest.mark.slow
def test_a_preview_is_made_before_any_training_and_the_next_call_goes_on(films, monkeypatch, capfd):
    dancer, me, _ = films
    monkeypatch.setattr("motiontransfer.cli.dance._LEAST_SECONDS", math.inf)  # on a busy machine
    assert not run_command(monkeypatch, "dance", "--preview", dancer, me)
    output = capfd.readouterr().out
    told = "preview: results/IMG_42_as_the_dance/preview.mp4\n"
    assert output.startswith("looks at the films\n")
    assert output.endswith(told)
    assert "5 stages" not in output
    assert ran()[-1] == "preview@IMG_42_as_the_dance"
    assert not Path("trained").exists()
    assert not run_command(monkeypatch, "dance", dancer, me)
    output = capfd.readouterr().out
    assert output.count(told) == 1
    assert output.index(told) < output.index("result: ")
    assert ran() == ["train_gan@IMG_42", *(f"{stage}@{NAME}" for stage in ("encode", "report"))]
    monkeypatch.setattr("motiontransfer.cli.dance._LEAST_SECONDS", 0.0)
    Path(f"results/{NAME}/transfer.mp4").unlink()
    assert not run_command(monkeypatch, "dance", dancer, me)
    *_, stage, preview, result, report = capfd.readouterr().out.splitlines()
    assert (stage[-2:], f"{preview}\n") == (" s", told)
    assert result == f"result: results/{NAME}/transfer.mp4"
    assert report == f"report: results/{NAME}/report.html"


def test_a_dance_that_was_brought_does_not_run_and_what_another_lacks_is_foretold(
    films, monkeypatch, capfd
):
    dancer, me, another = films
    assert not run_command(monkeypatch, "dance", dancer, me)
    ran()
    for folder in ("frames", "models", ".dvc/cache"):  # a teammate has results alone
        shutil.rmtree(folder)
    for film_here in Path("data/videos").glob("*.mkv"):
        film_here.unlink()
    config = Path(".dvc/config").read_text().replace("[core]\n", "[core]\n    remote = team\n")
    Path(".dvc/config").write_text(config + "['remote \"team\"']\n    url = /team\n")
    capfd.readouterr()
    assert not run_command(monkeypatch, "dance", dancer, me)
    assert f"report: results/{NAME}/report.html\n" in capfd.readouterr().out
    assert ran() == []
    assert not run_command(monkeypatch, "dance", another, me)
    output = capfd.readouterr().out
    assert "IMG_42_as_encore: outputs that are not here: one stage, about" in output
    assert "if they were shared: Ctrl-C, and `motiontransfer join` fetches" in output
    assert "decode@IMG_42" in ran()


def test_another_file_of_a_known_name_is_told(films, monkeypatch, capfd, tmp_path):
    add_dance(*films[:2], entry_only=True)
    again = film_person(tmp_path / "again/IMG 42.mkv", [(54, 40)] * 25)
    assert not run_command(monkeypatch, "dance", films[0], again, "--dry")
    told = "IMG_42 is another file here; this one is added as IMG_42_1; to replace that one, first"
    assert f"{again}: {told} `motiontransfer delete IMG_42`\n" in capfd.readouterr().out


def contents():
    kept = (path for path in Path().rglob("*") if ".git" not in path.parts)
    return {path: path.read_bytes() for path in kept if path.is_file() and "tmp" not in path.parts}


def test_a_dry_dance_says_what_would_run_and_changes_nothing(films, monkeypatch, capfd):
    shutil.move(".git", "..")  # the project is a folder of git's repository
    before = contents()
    assert not run_command(monkeypatch, "dance", "--dry", *films[:2])
    output = capfd.readouterr().out
    assert re.search(r"^  train_gan@IMG_42 +\d+ s$", output, re.MULTILINE)
    assert re.search(r"7 stages, about \d+ (s|min) on", output)
    for name in ("the_dance", "IMG_42"):
        picture = Path(f".dvc/tmp/checks/{name}.png")
        assert f"what was found: {picture}\n" in output
        assert picture.read_bytes()[1:4] == b"PNG"
    assert contents() == before


def test_poses_that_only_the_dancer_has_are_named_before_the_run(films, monkeypatch, capfd):
    def check(file, **settings):
        shown = standing(20) if file == films[1] else from_behind(standing(20))
        return replace(check_video(file, **settings), keypoints=shown)

    monkeypatch.setattr(video_check, "check_video", check)
    assert not run_command(monkeypatch, "dance", *films[:2], "--dry")
    output = capfd.readouterr().out
    picture = Path("artifacts/inspection/IMG_42_as_the_dance_poses.png")
    assert "  - the dancer turns the back, which no film of you shows: " in output
    assert output.index("your films cover") < output.index("stages, about")
    assert f"  - look at {picture}\n" in output
    assert picture.exists()


@pytest.mark.slow
def test_after_a_failing_stage_the_next_call_goes_on(films, monkeypatch, capfd):
    assert run_command(monkeypatch, "dance", "nowhere.mp4", films[1]) == 1
    assert capfd.readouterr().err == "ERROR: nowhere.mp4: no such file; expected a video\n"
    Path("train.sh").write_text("echo 'ERROR: train_gan IMG_42: no light' >&2; exit 1\n")
    assert run_command(monkeypatch, "dance", *films[:2]) == 1
    error = capfd.readouterr().err
    assert error.startswith("ERROR: train_gan@IMG_42: train_gan IMG_42: no light; its output: ")
    assert error.splitlines()[1:] == [f"ERROR: not run: encode@{NAME}, report@{NAME}"]
    assert "preview@IMG_42_as_the_dance" in ran()
    Path("train.sh").write_text(TRAIN)
    assert not run_command(monkeypatch, "dance", *films[:2])
    assert set(ran()) == {"train_gan@IMG_42", f"encode@{NAME}", f"report@{NAME}"}


@pytest.mark.slow
def test_of_all_dances_one_that_fails_stops_no_other(films, monkeypatch, capfd):
    assert not run_command(monkeypatch, "dance", "--preview", *films[:2])
    assert not run_command(monkeypatch, "add-video", films[2], "--subject", "eve", "--target")
    Path("train.sh").write_text("test $1 != IMG_42 || exit 1\n" + TRAIN)
    assert run_command(monkeypatch, "dance-all", "--source", "the_dance") == 1
    assert f"ERROR: not run: encode@{NAME}, report@{NAME}\n" in capfd.readouterr().err
    assert Path("results/eve_as_the_dance/report.html").exists()


def test_a_dance_that_fails_before_its_preview_leaves_all_as_it_was(films, monkeypatch, capfd):
    before = Path("films.yaml").read_bytes()
    Path("make.sh").write_text("exit 1\n")
    assert run_command(monkeypatch, "dance", *films[:2]) == 1
    assert "decode@the_dance: " in capfd.readouterr().err
    assert Path("films.yaml").read_bytes() == before
    assert not [*Path("data/videos").glob("*")]
