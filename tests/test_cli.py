import io
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from motiontransfer.cli.app import app
from motiontransfer.core.errors import MissingFileError, ParamsError
from motiontransfer.core.params import check_params
from motiontransfer.video.frame_store import FrameStore
from tests.command import run_command
from tests.faults.params import PARAMS
from tests.films import add_clip
from tests.people import dance, from_behind, standing
from tests.project_files import SHIPPED, read_sections, write_sections


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("motiontransfer.cli.results.check_params", lambda: None)  # few are there
    videos = {"waltz": {"path": "waltz.mp4", "subject": "ben", "crop": "none"}}
    write_sections({"videos": videos, "transfers": {}})
    add_clip(Path("artifacts"), "ben", "waltz", dance(3))


@pytest.mark.parametrize(
    ("options", "written"),
    [(["--output", "look.png"], "look.png"), ([], "artifacts/inspection/waltz.mp4")],
)
def test_the_files_ending_chooses_video_or_image(options, written, monkeypatch, capsys):
    assert not run_command(monkeypatch, "inspect", "waltz", *options)
    assert capsys.readouterr().out == f"wrote {written}\n"
    if written.endswith("png"):
        assert Path(written).read_bytes()[1:4] == b"PNG"
        return
    with FrameStore(Path(written)) as video:
        assert len(video) == 3


def test_what_a_target_lacks_is_said_of_each_transfer(monkeypatch, capsys):
    add_clip(Path("artifacts"), "ben", "waltz", standing(3))
    add_clip(Path("artifacts"), "eve", "turn", from_behind(standing(3)))
    of = {"source_subject": "eve", "truth": "none"}
    params = read_sections()
    shipped = yaml.safe_load(SHIPPED["params.yaml"])
    params |= {name: shipped[name] for name in ("normalization", "fit_normalization")}
    for name in ("turn", "lost"):  # no stage of the latter ran
        params["videos"][name] = {"path": f"{name}.mp4", "subject": "eve", "crop": "none"}
        params["transfers"][name] = {"source": name, "target": "ben", **of}
    write_sections(params)
    for video in ("waltz", "turn"):
        assert not run_command(monkeypatch, "inspect", video, "--output", "look.png")
        wrote, judged, cover, strike, look = capsys.readouterr().out.splitlines()
        assert wrote == "wrote look.png"
        assert judged.startswith("turn: Mostly in the film: trunk")
        assert cover.startswith("turn: your films cover 35 % of the dance (head 0 %, ")
        assert strike.startswith("  - better: strike one pose of it ")
        assert look == "  - look at artifacts/inspection/turn_poses.png"
    assert Path("artifacts/inspection/turn_poses.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "polka"], "no video 'polka'; expected a film's file, or one of waltz"),
        (["inspect", "params.yaml", "--output", "a.png"], "--output: expected a video with known"),
        (["inspect", "waltz", "--output", "look.gif"], "--output: expected a name that ends in "),
        (["preset", "huge"], "no preset 'huge'; there are default"),
    ],
)
def test_faults_are_one_line(arguments, message, monkeypatch, capsys):
    assert run_command(monkeypatch, *arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"ERROR: {message}")
    assert told.count("\n") == 1


def test_what_a_run_would_refuse_is_told_after_an_inspection(monkeypatch, capsys):
    monkeypatch.setattr("motiontransfer.cli.results.check_params", check_params)
    assert run_command(monkeypatch, "inspect", "waltz", "--output", "look.png") == 1
    told = capsys.readouterr()
    assert told.out == "wrote look.png\n"
    assert told.err.startswith("ERROR: params.yaml: no such file") or "films.yaml" in told.err


OF = PARAMS["transfers"]["t"]
CYCLE = {key: name for key, name in OF.items() if key != "truth"}
LEARNED = "{train_gan: {texture: none}, render: {face: cycle}}"


@pytest.mark.parametrize(
    ("preset", "films", "told", "cycles"),
    [
        ("train_gan: {steps: 90}", {}, "train_gan.steps: 40 -> 90\n1 values", {}),
        (
            *(LEARNED, {"transfers": {"t": OF, "u": OF}}),
            *("films.yaml: face_cycles: none -> t, u\n3 values", {"t": CYCLE, "u": CYCLE}),
        ),
        (LEARNED, {"transfers": {}}, "render.face: residual -> cycle\n2 val", {}),
        (LEARNED, {"trained": []}, "and there is none; choose residual or", None),
    ],
)
def test_a_preset_is_written_with_what_it_needs(monkeypatch, capsys, preset, films, told, cycles):
    write_sections({**PARAMS, **films})
    for name in ("walk.mp4", "dance.mp4"):
        Path(name).touch()
    Path("presets").mkdir()
    Path("presets/mine.yaml").write_text(f"{preset}\n")
    before = read_sections()
    assert run_command(monkeypatch, "preset", "mine", "--dry-run") == (cycles is None)
    assert told in "".join(capsys.readouterr())
    assert read_sections() == before
    assert run_command(monkeypatch, "preset", "mine") == (cycles is None)
    if cycles is None:
        assert read_sections() == before
        return
    check_params()
    assert read_sections()["face_cycles"] == cycles
    assert not run_command(monkeypatch, "preset", "default")
    assert read_sections() == before


def test_a_sign_that_the_terminal_lacks_ends_no_command(monkeypatch):
    printed = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.setattr("motiontransfer.project.entries.orphaned_outputs", lambda: ["путь"])
    monkeypatch.setattr("motiontransfer.project.entries.delete", lambda *_: None)
    assert not run_command(monkeypatch, "clean", "--yes")
    printed.flush()
    assert printed.buffer.getvalue().decode() == r"\u043f\u0443\u0442\u044c" "\ndeleted 1\n"


# All commands


COMMANDS = {each.callback.__name__: each.callback for each in app.registered_commands}
HINTS = {name: get_type_hints(callback, include_extras=True) for name, callback in COMMANDS.items()}
GIVEN = {
    *("file", "folder", "dancer", "me", "other", "videos", "truth", "video", "detector"),
    *("photo", "poses", "like"),
}
"""Names of what commands read; what they write to is `output`."""
WRITE = [name for name, hints in HINTS.items() if "output" in hints]
NUMBERS = [
    pytest.param(name, key, hint.__metadata__[0], id=f"{name} --{key}")
    for name, hints in HINTS.items()
    for key, hint in hints.items()
    if {int, float} & {*get_args(hint)[:1], *get_args(next(iter(get_args(hint)), None))}
]


def test_a_path_of_a_command_is_one_that_it_reads_or_its_output():
    paths = {key for hints in HINTS.values() for key, hint in hints.items() if "Path" in str(hint)}
    assert paths == {*GIVEN, "output"}
    assert len(WRITE) == 6


@pytest.fixture
def kept():
    """Files that stay, with other names of some of them; and outputs that would lie among them."""
    for name in ("waltz.mp4", "dance.mp4", "notes.txt", "results/x/transfer.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"of {name}")
    lock = {"schema": "2.0", "stages": {"x": {"outs": [{"path": "results/x/transfer.mp4"}]}}}
    Path("dvc.lock").write_text(yaml.dump(lock))
    Path(".dvc").mkdir()
    for arguments in (["init", "--quiet"], ["add", "notes.txt"]):
        subprocess.run(["git", *arguments], check=True)
    Path("link.mp4").symlink_to("waltz.mp4")
    Path("hard.mp4").hardlink_to("waltz.mp4")
    Path("hard.txt").hardlink_to("notes.txt")
    return [
        *("waltz.mp4", "link.mp4", "hard.mp4", "results/../waltz.mp4", "WALTZ.MP4", "hard.txt"),
        *("params.yaml", "films.yaml", "dvc.yaml", "dvc.lock", "notes.txt", ".", ".dvc/config"),
        *("data/videos/new.mp4", "Data/new.mp4", "results/x/transfer.mp4", "results"),
    ]


@pytest.mark.parametrize("command", WRITE)
def test_no_command_writes_over_what_it_is_given_or_the_project_keeps(command, kept):
    film = Path("dance.mp4")
    given = {key: [film] if "list" in str(HINTS[command][key]) else film for key in HINTS[command]}
    given = {key: value for key, value in given.items() if key in GIVEN}
    before = {path: path.read_bytes() for path in Path().glob("[!.]*.*")}
    for output in [*kept, "dance.mp4", "sub/../dance.mp4"] if given else kept:
        with pytest.raises(ParamsError, match="cannot be written: "):
            COMMANDS[command](**given, output=Path(output))
    assert {path: path.read_bytes() for path in Path().glob("[!.]*.*")} == before


def test_a_former_result_may_be_written_again(kept, monkeypatch, capsys):
    for _ in range(2):
        assert not run_command(monkeypatch, "inspect", "waltz", "--output", "look.png")
    assert run_command(monkeypatch, "inspect", "waltz", "--output", "waltz.mp4") == 1
    assert capsys.readouterr().err.startswith("ERROR: waltz.mp4: cannot be written: waltz.mp4 is")
    Path("folder.png").mkdir()
    assert run_command(monkeypatch, "inspect", "waltz", "--output", "folder.png") == 2


@pytest.mark.parametrize(("command", "key", "option"), NUMBERS)
def test_numbers_have_bounds(command, key, option, monkeypatch, capsys):
    for wrong in (option.min - 1, option.max + 1, -(10**9), 10**30, "nan", "inf"):
        assert run_command(monkeypatch, command.replace("_", "-"), f"--{key}", wrong) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_without_a_project_nothing_begins_and_nothing_is_made(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in COMMANDS.keys() - {"doctor", "score", "verify"}:
        with pytest.raises(MissingFileError, match=r"params.yaml: no such file; run from"):
            COMMANDS[name]()
    assert not [*Path().iterdir()]
