"""Several processes that share a batch train as one that sees all of it."""

import json
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from motiontransfer.errors import CheckpointError
from motiontransfer.training import distributed
from motiontransfer.training.checkpoint import load_checkpoint, run_folder
from motiontransfer.training.distributed import all_gather, all_reduce_mean, launched_fabric
from tests.dancer import dance, training_clip
from tests.training.counting import CountingTask, run
from tests.training.small import fabric
from tests.training.together import run_together
from tests.training.trainings import (
    train_and_keep_the_checkpoint,
    train_face,
    train_main,
    write_main_weights,
)


@pytest.fixture
def clips(tmp_path):
    return [training_clip(tmp_path, dance(8))]


def _meet(folder):
    """Each process brings tensors and numbers of its own, and writes down what it gets."""
    distributed._BUCKET_NUMBERS = 5
    with launched_fabric(precision="32-true", devices="auto", batch_size=2) as both:
        own = both.global_rank + 1
        tensors = [torch.full((2, 2), 1.0 * own), torch.full((3,), 10.0 * own), torch.ones(7)]
        averaged = all_reduce_mean(both, tensors)
        said = {
            "averaged": [tensor.tolist() for tensor in averaged],
            "gathered": all_gather(both, [own, 0.5]).tolist(),
        }
        (folder / f"{both.global_rank}.json").write_text(json.dumps(said))


@pytest.mark.parametrize("started_by", ["torchrun", "srun"])
def test_ranks_get_means_and_gather_numbers(tmp_path, started_by):
    assert run_together(2, _meet, tmp_path, started_by=started_by) == [0, 0]
    for rank in range(2):
        got = json.loads((tmp_path / f"{rank}.json").read_text())
        assert got["averaged"] == [[[1.5, 1.5], [1.5, 1.5]], [15.0] * 3, [1.0] * 7]
        assert got["gathered"] == [[1, 0.5], [2, 0.5]]


def test_a_process_alone_has_what_it_brought():
    tensors = [torch.rand(3), torch.rand(2, 2)]
    assert all(a is b for a, b in zip(all_reduce_mean(fabric(), tensors), tensors, strict=True))
    assert all_gather(fabric(), [3.0, 0.25]).tolist() == [[3.0, 0.25]]


def gradients(state):
    """Adam's first moments after one step: half of the gradients."""
    return {name: 2 * value for name, value in state.items() if name.endswith("exp_avg")}


def close(expected, got):
    """Equal but for the order of additions in 32 bits."""
    return all(
        torch.allclose(got[name], value, rtol=1e-3, atol=2e-6 * float(value.abs().max() + 1))
        for name, value in expected.items()
    )


def test_a_batch_that_is_shared_has_the_gradients_of_a_whole_one(tmp_path, clips):
    changes = {"num_steps": 1, "batch_size": 2}
    train_and_keep_the_checkpoint(clips, tmp_path / "whole", changes)
    shared = (clips, tmp_path / "shared", changes)
    assert run_together(2, train_and_keep_the_checkpoint, *shared) == [0, 0]
    expected, got = (
        gradients(load_checkpoint(tmp_path / name).state) for name in ("whole", "shared")
    )
    assert expected.keys() == got.keys()
    assert len(expected) > 20
    assert close(expected, got)
    # and these are not what half of the batch would have given
    train_and_keep_the_checkpoint(clips, tmp_path / "less", {**changes, "batch_size": 1})
    assert not close(expected, gradients(load_checkpoint(tmp_path / "less").state))


@pytest.mark.parametrize(
    ("train", "weights"), [(train_main, "generator"), (train_face, "face_generator")]
)
def test_two_processes_end_with_the_weights_curves_and_pictures_of_one(
    tmp_path, clips, train, weights
):
    changes = {"num_steps": 2, "log_every_steps": 1}
    clips = [*clips, training_clip(tmp_path / "second", dance(5, seed=4))]
    for name in ("one", "two"):
        write_main_weights(tmp_path / name)
    train(clips, tmp_path / "one", changes)
    assert run_together(2, train, clips, tmp_path / "two", changes) == [0, 0]
    one, two = (
        load_file(tmp_path / name / f"models/{weights}.safetensors") for name in ("one", "two")
    )
    for name, value in one.items():
        # a bias before a normalisation has no gradient but noise, which Adam makes large
        if name.endswith("weight"):
            different = (two[name] - value).abs() > 2e-5
            assert different.float().mean() < 0.01, name
    files = [
        sorted(str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*.*"))
        for name in ("one", "two")
    ]
    assert files[0] == files[1]
    for curve in (tmp_path / "one/logs").rglob("*.tsv"):
        same = tmp_path / "two" / curve.relative_to(tmp_path / "one")
        expected, got = (np.loadtxt(path, skiprows=1) for path in (curve, same))
        assert np.allclose(got, expected, rtol=1e-3), curve


def _try_to_hold(root, said):
    with launched_fabric(precision="32-true", devices="auto", batch_size=2) as both:
        try:
            with run_folder(both, root, "run"):
                answer = "held"
        except CheckpointError as error:
            answer = str(error)
        (said / f"{both.global_rank}.txt").write_text(answer)


def test_a_run_is_held_by_all_processes_or_by_none(tmp_path):
    root, said = tmp_path / "checkpoints", tmp_path / "said"
    said.mkdir()
    assert run_together(2, _try_to_hold, root, said) == [0, 0]
    assert [path.read_text() for path in sorted(said.iterdir())] == ["held", "held"]
    assert not (root / "run").exists()
    with run_folder(fabric(), root, "run"):
        assert run_together(2, _try_to_hold, root, said) == [0, 0]
    refusals = [path.read_text() for path in sorted(said.iterdir())]
    assert all("another process is training this very run" in each for each in refusals)


def _count(folder, trouble):
    """The second of two processes is in trouble in one of its steps."""
    with launched_fabric(precision="32-true", devices="auto", batch_size=2) as both:
        task = CountingTask(**(trouble if both.global_rank == 1 else {}))
        run(task, folder, on=both)


def test_when_one_is_told_to_stop_all_do_and_the_step_is_kept(tmp_path):
    trouble = {"stop_at": 3, "stop_by": "SIGTERM"}
    assert run_together(2, _count, tmp_path, trouble) == [-signal.SIGTERM] * 2
    assert load_checkpoint(tmp_path).step == 4


def test_when_one_has_a_loss_that_is_not_finite_all_stop(tmp_path):
    assert run_together(2, _count, tmp_path, {"nan_at": 4}) == [1, 1]
    assert load_checkpoint(tmp_path).step == 4
