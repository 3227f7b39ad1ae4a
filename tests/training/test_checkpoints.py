"""Checkpoints are whole, belong to one run, and are held by one process."""

import subprocess
import sys

import pytest
import torch

from motiontransfer.errors import CheckpointError
from motiontransfer.training import checkpoints
from motiontransfer.training.checkpoints import (
    load_checkpoint,
    run_folder,
    run_key,
    save_checkpoint,
)
from motiontransfer.training.split import HeldOut

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(4, dtype=torch.int64)}

_TRY_TO_HOLD = """
import sys
from pathlib import Path
from motiontransfer.errors import CheckpointError
from motiontransfer.training.checkpoints import run_folder
try:
    with run_folder(Path(sys.argv[1]), "run"):
        print("held")
except CheckpointError as error:
    print(error)
"""


@pytest.fixture
def inputs(tmp_path):
    files = [tmp_path / "frames.mkv", tmp_path / "clip.parquet"]
    for file in files:
        file.write_bytes(file.name.encode())
    return files


def test_a_run_is_known_by_its_settings_and_the_bytes_of_its_inputs(inputs):
    def key(fraction=0.1, files=inputs):
        return run_key([HeldOut(held_out_fraction=fraction, gap_frames=3), "bf16"], files)

    first = key()
    assert key() == first
    assert key(fraction=0.2) != first
    assert key(files=inputs[::-1]) != first
    assert key(files=inputs[:1]) != first
    inputs[1].write_bytes(b"clip.parqueT")
    assert key() != first
    inputs[1].write_bytes(b"clip.parquet")
    assert key() == first


@pytest.mark.parametrize(
    "module",
    ["skeleton.py", "media/tensors.py", "nets/blocks.py", "pose/drawing.py", "training/a.py"],
)
def test_a_run_is_known_by_the_code_that_trains(tmp_path, monkeypatch, inputs, module):
    path = tmp_path / "package" / module
    path.parent.mkdir(parents=True)
    path.write_text("a = 1")
    monkeypatch.setattr(checkpoints, "__file__", str(tmp_path / "package/training/checkpoints.py"))
    before = run_key(["settings"], inputs)
    path.write_text("a = 2")
    assert run_key(["settings"], inputs) != before


def test_code_that_does_not_train_is_left_out_of_it(tmp_path, monkeypatch, inputs):
    monkeypatch.setattr(checkpoints, "__file__", str(tmp_path / "package/training/checkpoints.py"))
    before = run_key(["settings"], inputs)
    (tmp_path / "package/rendering").mkdir(parents=True)
    (tmp_path / "package/rendering/a.py").write_text("a = 1")
    assert run_key(["settings"], inputs) == before


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    assert load_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, step=12, state=STATE)
    step, state = load_checkpoint(tmp_path)
    assert step == 12
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)
    assert state["step"].dtype == torch.int64
    save_checkpoint(tmp_path, step=13, state={"weight": STATE["weight"] + 1})
    step, state = load_checkpoint(tmp_path)
    assert (step, list(state)) == (13, ["weight"])
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_tensors_of_any_layout_are_kept_apart(tmp_path):
    """Views of one storage, and gradients, are no hindrance."""
    whole = torch.arange(6.0, requires_grad=True).reshape(2, 3)
    save_checkpoint(tmp_path, step=1, state={"a": whole, "b": whole.T})
    _, state = load_checkpoint(tmp_path)
    assert torch.equal(state["b"], state["a"].T)


def test_a_checkpoint_that_fails_half_way_leaves_the_last_one(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, step=1, state=STATE)

    def half(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints, "save_file", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path, step=2, state=STATE)
    assert load_checkpoint(tmp_path)[0] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_checkpoint_is_told_and_never_taken_for_none(tmp_path):
    (tmp_path / "state.safetensors").write_bytes(b"\x40" * 100)
    with pytest.raises(
        CheckpointError, match=r"state\.safetensors: damaged: .*; remove .* to train"
    ):
        load_checkpoint(tmp_path)


def test_a_run_that_ends_well_leaves_nothing(tmp_path):
    with run_folder(tmp_path, "run") as folder:
        assert folder == tmp_path / "run"
        (folder / "live").mkdir()
        (folder / "live/curve").touch()
    assert not folder.exists()
    assert tmp_path.exists()


def _fail_with_something_made(root):
    with pytest.raises(KeyboardInterrupt), run_folder(root, "run") as folder:  # noqa: PT012 - both
        (folder / "made").touch()
        raise KeyboardInterrupt


def test_a_run_that_fails_keeps_what_it_has_and_can_be_taken_up(tmp_path):
    _fail_with_something_made(tmp_path)
    with run_folder(tmp_path, "run") as folder:
        assert (folder / "made").exists()


def test_runs_with_other_keys_are_left_alone(tmp_path):
    with run_folder(tmp_path, "one"), run_folder(tmp_path, "other"):
        pass
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path, "one"):
        raise KeyboardInterrupt
    with run_folder(tmp_path, "other"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_another_process_cannot_hold_the_same_run(tmp_path):
    command = [sys.executable, "-c", _TRY_TO_HOLD, str(tmp_path)]
    with run_folder(tmp_path, "run") as folder:
        (folder / "made").touch()
        other = subprocess.run(command, capture_output=True, text=True, check=True)
        assert other.stdout.startswith(f"{folder}: another process is training this very run")
        assert (folder / "made").exists()
