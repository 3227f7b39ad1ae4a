import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from motiontransfer.core.errors import CheckpointError, TrainingError
from motiontransfer.models import runtime as runtime_module
from motiontransfer.training import distributed
from motiontransfer.training.checkpoint import load_checkpoint, run_folder
from tests.clone import ROOT
from tests.films import training_clip
from tests.people import dance
from tests.pretend_cuda import pretend_cuda
from tests.training.small import CountingTask, count, runtime
from tests.training.trainings import run_together, train_face, train_launched, train_pose


def _meet(folder):
    """Each process brings tensors and numbers of its own, and writes down what it gets."""
    distributed._BUCKET_NUMBERS = 5
    with distributed.joined_runtime(precision="32-true", batch_size=2) as both:
        own = both.rank + 1
        tensors = [torch.full((2, 2), 1.0 * own), torch.full((3,), 10.0 * own), torch.ones(7)]
        averaged = distributed.all_reduce_mean(both, tensors)
        gathered = distributed.all_gather(both, [own, 0.5]).tolist()
        said = {"averaged": [tensor.tolist() for tensor in averaged], "gathered": gathered}
        (folder / f"{both.rank}.json").write_text(json.dumps(said))


def test_ranks_get_means_and_gather_numbers(tmp_path):
    assert run_together(2, _meet, tmp_path) == [0, 0]
    for rank in range(2):
        got = json.loads((tmp_path / f"{rank}.json").read_text())
        assert got["averaged"] == [[[1.5, 1.5], [1.5, 1.5]], [15.0] * 3, [1.0] * 7]
        assert got["gathered"] == [[1, 0.5], [2, 0.5]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "weights"), [(train_pose, "generator"), (train_face, "face_generator")]
)
def test_two_processes_end_with_weights_curves_and_samples_of_one(tmp_path, clip, train, weights):
    changes, folders = {"steps": 2, "log_every_steps": 1}, [tmp_path / name for name in "ab"]
    clips = [clip, training_clip(tmp_path / "second", dance(5, seed=4))]
    train_launched(train, clips, folders[0], changes)
    assert run_together(2, train_launched, train, clips, folders[1], changes) == [0, 0]
    one, two = (load_file(folder / f"models/{weights}.safetensors") for folder in folders)
    for name, value in one.items():
        # a bias before a normalisation has no gradient but noise, which Adam makes large
        if name.endswith("weight"):
            different = (two[name] - value).abs() > 2e-5
            assert different.float().mean() < 0.01, name
    one, two = ({it.relative_to(folder): it for it in folder.rglob("*.*")} for folder in folders)
    assert one.keys() == two.keys()
    for name in one:
        if name.suffix == ".tsv":
            expected, got = (np.loadtxt(of[name], skiprows=1) for of in (one, two))
            assert np.allclose(got, expected, rtol=1e-3), name


COMMAND = """
import atexit
import sys
import time
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.training import distributed
try:
    count = distributed.processes_to_start(2, batch_size=2)
    if count > 1:
        distributed.run_with_torchrun(count)
    else:
        with distributed.joined_runtime(precision="32-true", batch_size=2) as both:
            distributed.barrier(both)
            sys.stdout.write(f"{both.rank} of {both.world_size}\\n")
            sys.stdout.flush()
            if both.rank == 1:
                atexit.register(time.sleep, 2)  # the other one knows of it long before it has ended
                raise SystemExit(3)
            distributed.barrier(both)
except MotionTransferError as error:
    print(error, file=sys.stderr)
    raise SystemExit(1)
"""


@pytest.mark.slow
def test_a_command_runs_itself_in_as_many_processes_as_devices_and_when_one_fails_all_end():
    """With a line each; that all may end well, the stage's test tells."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    how = {"env": env, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", COMMAND], **how)
    errors = done.stderr.splitlines()
    assert (done.returncode, sorted(done.stdout.splitlines())) == (1, ["0 of 2", "1 of 2"])
    assert "process 1 with exit code 3" in errors[-1]
    assert len(errors) <= 2  # the other one's says that it ended for this


def _try_to_lock(root, said):
    with distributed.joined_runtime(precision="32-true", batch_size=2) as both:
        try:
            with run_folder(both, root, "run"):
                answer = "locked"
        except CheckpointError as error:
            answer = str(error)
        (said / f"{both.rank}.txt").write_text(answer)


@pytest.mark.slow
def test_a_run_is_locked_by_all_processes_or_by_none(tmp_path):
    root, said = tmp_path / "checkpoints", tmp_path / "said"
    said.mkdir()
    assert run_together(2, _try_to_lock, root, said) == [0, 0]
    assert [path.read_text() for path in sorted(said.iterdir())] == ["locked", "locked"]
    assert not (root / "run").exists()
    with run_folder(runtime(), root, "run"):
        assert run_together(2, _try_to_lock, root, said) == [0, 0]
    refusals = [path.read_text() for path in sorted(said.iterdir())]
    assert all(each.startswith(f"{root / 'run'}: ") for each in refusals)


def _count(folder, trouble):
    """The second of two processes is in trouble in one of its steps."""
    with distributed.joined_runtime(precision="32-true", batch_size=2) as both:
        task = CountingTask(**(trouble if both.rank == 1 else {}))
        count(task, folder, on=both)


def test_a_signal_to_one_rank_stops_all_and_keeps_the_step(tmp_path):
    trouble = {"stop_at": 3, "stop_by": "SIGTERM"}
    assert run_together(2, _count, tmp_path, trouble) == [-signal.SIGTERM] * 2
    assert load_checkpoint(tmp_path).throughput.steps == 4


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(runtime_module, "choose_accelerator", lambda: "cpu")


@pytest.mark.parametrize(
    ("has", "precision"),
    [("avx512_bf16", "bf16-mixed"), ("amx_bf16", "bf16-mixed"), ("avx512", "32-true")],
)
def test_auto_is_bf16_where_the_cpu_multiplies_it(no_cuda, monkeypatch, has, precision):
    has_none = dict.fromkeys(("avx512_bf16", "amx_bf16"), False)
    for capabilities in ({has: True}, {**has_none, has: True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert runtime_module.make_runtime(precision="auto").precision == precision


@pytest.mark.parametrize(
    ("cores", "chosen", "before", "threads"),
    [
        *((2, None, 2, 1), (1, None, 1, 1), (8, None, 8, 7)),
        *((8, None, 4, 4), (2, None, 1, 1)),  # as PyTorch or another part of the program chose
        (2, "2", 2, 2),
    ],
)
def test_on_a_cpu_one_core_is_left_for_reading_and_drawing_unless_the_user_chose(
    no_cuda, monkeypatch, cores, chosen, before, threads
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if chosen:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    monkeypatch.setattr("loky.cpu_count", lambda: cores)
    torch.set_num_threads(before)
    runtime_module.make_runtime(precision="32-true")
    assert torch.get_num_threads() == threads


def processes(devices="auto", batch_size=4):
    return distributed.processes_to_start(devices, batch_size=batch_size)


def test_as_many_processes_are_started_as_devices_but_not_under_torchrun(no_cuda, monkeypatch):
    assert [processes(devices) for devices in ("auto", 1, 2)] == [1, 1, 2]
    monkeypatch.setenv("SLURM_NTASKS", "4")  # of a script that sbatch runs once
    assert processes(2) == 2
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert processes(2) == 1


def test_more_devices_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(distributed, "choose_accelerator", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [processes(devices) for devices in ("auto", 4)] == [1, 4]
    with pytest.raises(TrainingError, match=r"devices: .* 4 GPUs here, got 5"):
        processes(5, batch_size=5)


def test_tasks_of_srun_without_torchrun_are_refused(no_cuda, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    with pytest.raises(TrainingError, match=r"8 tasks of srun; see docs/clusters\.md"):
        processes()


def test_a_batch_that_cannot_be_shared_evenly_is_refused(no_cuda, monkeypatch):
    with pytest.raises(TrainingError, match=r"^batch_size: 3 items .* a multiple of 2"):
        processes(2, batch_size=3)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    joined = distributed.joined_runtime(precision="32-true", batch_size=4)
    with pytest.raises(TrainingError, match=r"^batch_size: 4 items .* a multiple of 8"), joined:
        pass


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "bf16-mixed"), ((7, 5), "32-true")])
def test_a_gpu_is_used_with_bf16_where_it_has_it(capability, precision):
    with pretend_cuda(capability=capability):
        runtime = runtime_module.make_runtime(precision="auto")
        assert (runtime.device.type, runtime.precision) == ("cuda", precision)
