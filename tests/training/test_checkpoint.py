import fcntl
import os
from pathlib import Path

import pytest
import torch

from motiontransfer.core.errors import CheckpointError
from motiontransfer.models.runtime import Runtime
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.training import checkpoint
from motiontransfer.training.params import LoggingParams, RunParams
from motiontransfer.training.run_log import Throughput
from tests.training.small import runtime, schedule

WEIGHT = torch.arange(6.0, requires_grad=True).reshape(2, 3)
# The second shares its memory with the first.
STATE = {"weight": WEIGHT, "turned": WEIGHT.T, "step": torch.tensor(4, dtype=torch.int64)}


@pytest.fixture
def inputs(tmp_path):
    files = [tmp_path / "frames.mkv", tmp_path / "clip.parquet"]
    for file in files:
        file.write_bytes(file.name.encode())
    return files


def test_a_run_is_known_by_settings_inputs_precision_and_code(inputs, monkeypatch, tmp_path):
    def key(fraction=0.1, files=inputs, precision="32-true"):
        config = HeldOut(held_out_fraction=fraction, gap_frames=3)
        of_run = Runtime(device=torch.device("cpu"), precision=precision)
        return checkpoint.run_key(of_run, [config], files, code="motiontransfer.core.errors")

    first = key()
    others = [key(fraction=0.2), key(files=inputs[::-1]), key(files=inputs[:1])]
    others.append(key(precision="bf16-mixed"))
    inputs[1].write_bytes(b"clip.parqueT")
    others.append(key())
    inputs[1].write_bytes(b"clip.parquet")
    assert key() == first
    (tmp_path / "other_code.py").write_text("a = 1")
    monkeypatch.setattr(checkpoint, "source_files", lambda _: [tmp_path / "other_code.py"])
    assert first not in [*others, key()]


@pytest.mark.parametrize("name", [*LoggingParams.model_fields, "devices"])
def test_what_decides_no_weights_does_not_make_another_run(name):
    def key(**changes):
        values = {**numbers, **changes}
        logging = LoggingParams(**{key: values.pop(key) for key in LoggingParams.model_fields})
        params = RunParams(**values)
        return checkpoint.run_key(
            runtime(), [params, params.schedule(logging)], [], code="motiontransfer.core.errors"
        )

    numbers = {**schedule().model_dump(), "devices": 1, "precision": "auto"}
    assert key(**{name: 7}) == key()
    assert key(steps=7) != key()


def save(folder, step):
    throughput = Throughput(steps=step, minutes=1.5, waiting_minutes=0.25)
    checkpoint.save_checkpoint(folder, checkpoint.Checkpoint(throughput, STATE))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_two_checkpoints_are_kept_and_the_last_one_comes_back_as_it_was(tmp_path):
    assert checkpoint.load_checkpoint(tmp_path) is None
    for step in (8, 9, 10, 100):
        save(tmp_path, step)
    assert names(tmp_path) == ["step_00000010.safetensors", "step_00000100.safetensors"]
    got = checkpoint.load_checkpoint(tmp_path)
    assert got.throughput == Throughput(steps=100, minutes=1.5, waiting_minutes=0.25)
    assert got.state.keys() == STATE.keys()
    assert all(torch.equal(got.state[name], STATE[name]) for name in STATE)
    assert got.state["step"].dtype == torch.int64


def test_a_damaged_checkpoint_is_an_error_and_can_be_removed(tmp_path):
    damaged = tmp_path / "step_00000007.safetensors"
    damaged.write_bytes(b"\x40" * 100)
    with pytest.raises(CheckpointError, match=rf"{damaged}: .* the start"):
        checkpoint.load_checkpoint(tmp_path)
    save(tmp_path, 3)
    with pytest.raises(CheckpointError, match=rf"{damaged}: .* step 3"):
        checkpoint.load_checkpoint(tmp_path)
    damaged.unlink()
    assert checkpoint.load_checkpoint(tmp_path).throughput.steps == 3


def locked(root, key="run"):
    return checkpoint.run_folder(runtime(), root, key)


def interrupt(root, key="run", *made):
    """A run that is stopped after it has made some files."""
    with pytest.raises(KeyboardInterrupt), locked(root, key) as folder:  # noqa: PT012 - both
        for name in made:
            (folder / name).touch()
        raise KeyboardInterrupt


def test_a_run_that_fails_keeps_what_it_has_and_can_be_taken_up(tmp_path):
    interrupt(tmp_path, "run", "made", ".step_00000012.77.tmp.safetensors")
    with locked(tmp_path) as folder:
        # what was being written when it was stopped is of no use to anybody
        assert (folder, names(folder)) == (tmp_path / "run", ["lock", "made"])
    assert names(tmp_path) == []  # a run that ends well leaves nothing


def test_a_run_ends_where_no_open_file_can_be_removed(tmp_path, monkeypatch):
    """As on Windows, where in addition only files open for writing are written back."""
    unlink, fsync = os.unlink, os.fsync

    def unlink_closed(path, *, dir_fd=None):
        folder = "" if dir_fd is None else f"/proc/self/fd/{dir_fd}/"
        opened = {os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}
        if os.path.realpath(f"{folder}{path}") in opened:
            raise PermissionError(f"{path} is open")
        unlink(path, dir_fd=dir_fd)

    def fsync_written(descriptor):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError("bad file descriptor")
        fsync(descriptor)

    monkeypatch.setattr(os, "unlink", unlink_closed)
    monkeypatch.setattr(os, "fsync", fsync_written)
    with locked(tmp_path) as folder:
        save(folder, 1)
        with pytest.raises(PermissionError):
            (folder / "lock").unlink()
    assert names(tmp_path) == []


def test_the_runs_that_were_worked_on_last_are_kept(tmp_path):
    for key, made, kept in (
        ("badc", "made", "acd"),
        ("a", "made more", "acd"),
        ("e", "made", "ace"),
    ):
        for run in key:
            interrupt(tmp_path, run, made)
        assert names(tmp_path) == [*kept]
    with locked(tmp_path, "a") as folder:
        assert names(folder) == ["lock", "made", "made more"]
    assert names(tmp_path) == ["c", "e"]


def test_locked_runs_and_other_files_are_never_removed(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").touch()
    with locked(tmp_path, "old") as folder:
        for key in ("a", "b", "c", "d"):
            interrupt(tmp_path, key, "made")
        assert (folder / "lock").exists()
    assert {"file", "notes"} < set(names(tmp_path))


def test_a_run_that_is_locked_cannot_be_locked_again(tmp_path):
    with locked(tmp_path) as folder:
        (folder / "made").touch()
        with pytest.raises(CheckpointError, match=f"{folder}: "), locked(tmp_path):
            pass
        assert (folder / "made").exists()
