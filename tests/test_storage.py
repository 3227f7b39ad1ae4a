"""A file is whole or it is not there."""

import json
import signal
import subprocess
import sys

import pytest

from motiontransfer.storage import replacing, replacing_folder, write_json

_BE_KILLED = """
import os, signal, sys
from pathlib import Path
from motiontransfer.storage import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "new/folder/clip.parquet"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename within one file system is atomic
        assert temporary.suffix == ".parquet"
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("before")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_leaves_what_was_there(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("before")
    command = [sys.executable, "-c", _BE_KILLED, str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert path.read_text() == "before"


def test_two_files_of_one_name_do_not_share_a_temporary_one(tmp_path):
    with replacing(tmp_path / "a.json") as one, replacing(tmp_path / "a.png") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a.json").read_text() == "1"


def test_json_is_readable_and_ends_in_a_newline(tmp_path):
    path = tmp_path / "metrics/render.json"
    write_json(path, {"frames": 10, "nested": {"ssim": 0.5, "name": None}})
    text = path.read_text()
    assert json.loads(text) == {"frames": 10, "nested": {"ssim": 0.5, "name": None}}
    assert text.splitlines()[1] == '  "frames": 10,'
    assert text.endswith("}\n")


def test_json_has_no_numbers_that_are_not_finite(tmp_path):
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "metrics.json", {"loss": number})
    assert not list(tmp_path.iterdir())


def test_a_folder_takes_the_place_of_the_old_one_as_a_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "subject" / "clip"
    for name in ("old", "new"):
        with replacing_folder(folder) as work:
            (work / name).write_text(name)
    with pytest.raises(FileNotFoundError), replacing_folder(folder) as work:
        (work / "newer").rename(work / "nowhere" / "newer")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["clip"]
