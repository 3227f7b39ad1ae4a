"""Whether trainings that are killed again and again end in the bytes of one that never was.

`uv run python -m benchmarks.kill_resume` after `uv run dvc repro`, and `… kill_resume 20` for 20
kills. The demo's target is trained twice by both training stages, with fewer steps, in a copy of
the project: once in peace, once killed with SIGKILL at random moments and started anew.
"""

import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

TARGET = "ada"
STAGES = ("train_gan", "train_face_gan")
CHANGES = {
    **{"steps": 160, "log_every_steps": 1, "sample_every_steps": 80},
    **{"checkpoint_every_steps": 5, "devices": 1, "max_minutes": None},
}
NETWORKS = {"num_filters": 8, "discriminator_filters": 8}


def main(num_kills: int) -> int:
    """Print one line a stage; return how many of them did not end alike."""
    moments = random.Random(0)
    different = 0
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        peace, war = (_copy_project(Path(scratch) / name) for name in ("peace", "war"))
        for stage in STAGES:
            seconds = _train(stage, peace)
            killed_at = _train_and_kill(
                stage, war, num_kills, longest_seconds=seconds / num_kills, moments=moments
            )
            alike = _digest(stage, peace) == _digest(stage, war)
            different += not alike or len(killed_at) < num_kills
            print(  # noqa: T201
                f"{stage}: {CHANGES['steps']} steps, killed {len(killed_at)} times after steps "
                f"{killed_at}: weights and curves {'identical' if alike else 'DIFFERENT'}"
            )
    return different


def _copy_project(folder: Path) -> Path:
    """What the training stages read, and params.yaml with fewer steps."""
    for name in ("frames", "keypoints"):
        shutil.copytree(f"artifacts/{name}/{TARGET}", folder / "artifacts" / name / TARGET)
    (folder / "artifacts/appearance").mkdir()
    appearance = f"artifacts/appearance/{TARGET}.safetensors"
    shutil.copy(appearance, folder / appearance)
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    sections = {stage: {**params[stage], **CHANGES, **NETWORKS} for stage in STAGES}
    (folder / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    return folder


def _start(stage: str, folder: Path) -> subprocess.Popen:
    """Start the stage and wait until it has logged a step."""
    before = _last_logged(stage, folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "stages", stage, TARGET],
        cwd=folder,
        env={"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and _last_logged(stage, folder) == before:
        time.sleep(0.01)
    return process


def _curves(stage: str, folder: Path) -> list[Path]:
    pattern = f"checkpoints/{stage}/{TARGET}/*/live/plots/metrics/generator/l1.tsv"
    return list(folder.glob(pattern))


def _last_logged(stage: str, folder: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in _curves(stage, folder)]


def _train(stage: str, folder: Path) -> float:
    """Train in peace; return the seconds that training took."""
    process = _start(stage, folder)
    began = time.monotonic()
    if process.wait() != 0:
        raise SystemExit(f"{stage} failed; run it by hand to see why")
    return time.monotonic() - began


def _train_and_kill(
    stage: str, folder: Path, num_kills: int, *, longest_seconds: float, moments: random.Random
) -> list[int]:
    """Train to the end; return the steps that had been logged at each kill."""
    killed_at = []
    while len(killed_at) < num_kills:
        process = _start(stage, folder)
        time.sleep(moments.uniform(0, longest_seconds))
        process.kill()
        if process.wait() == 0 or not _curves(stage, folder):  # it was done before
            return killed_at
        killed_at.append(_logged_steps(stage, folder))
    _train(stage, folder)
    return killed_at


def _logged_steps(stage: str, folder: Path) -> int:
    rows = [path.read_text(encoding="utf-8").count("\n") - 1 for path in _curves(stage, folder)]
    return max(rows, default=0)


def _digest(stage: str, folder: Path) -> Sequence[str]:
    """Digests of a stage's weights and curves."""
    models = folder / "artifacts/models" / TARGET
    weights = {
        "train_gan": [models / "generator.safetensors", models / "discriminator.safetensors"],
        "train_face_gan": [models / "face_generator.safetensors"],
    }[stage]
    curves = sorted((folder / "artifacts/training" / TARGET).rglob("*.tsv"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in [*weights, *curves]]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
