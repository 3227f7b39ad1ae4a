"""What a stage loads when it starts: PyTorch takes two seconds, MediaPipe and dvclive one."""

import subprocess
import sys
from pathlib import Path

import pytest

TRAININGS = {f"train_{what}" for what in ("gan", "face_gan", "face_cycle", "forensics")}
NETWORKS = {"render", "evaluate", *TRAININGS}
STAGES = {path.stem for path in Path("stages").glob("[a-z]*.py")}
SLOW = {"torch", "torchvision", "dvclive", "pandas", "mediapipe"}
ALLOWED = {"segment_person": {"mediapipe"}}


@pytest.mark.parametrize("stage", sorted(STAGES - NETWORKS))
def test_a_stage_without_a_network_loads_no_library_that_takes_seconds(stage):
    show = f"import sys, stages.{stage}; print(*sys.modules)"
    command = [sys.executable, "-c", show]
    loaded = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert SLOW & {*loaded} == ALLOWED.get(stage, set())
    assert "motiontransfer.core.layout" in loaded
