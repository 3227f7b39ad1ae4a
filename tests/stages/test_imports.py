"""What a stage loads when it starts: PyTorch takes two seconds, others half a second."""

import subprocess
import sys

from tests.clone import ROOT

TRAININGS = {f"train_{what}" for what in ("gan", "face_gan", "face_cycle", "forensics")}
STAGES = {path.stem for path in (ROOT / "stages").glob("[a-z]*.py")}
LAST = "segment_person"  # which may load MediaPipe
SHOW = """
import importlib, sys
for stage in sys.argv[1:]:
    importlib.import_module(f"stages.{stage}")
    slow = {"torch", "torchvision", "pandas", "mediapipe"} & {*sys.modules}
    print(stage, *slow)
"""


def test_a_stage_without_a_network_loads_no_library_that_takes_seconds():
    stages = [*sorted(STAGES - {"render", "evaluate", *TRAININGS, LAST}), LAST]
    command = [sys.executable, "-c", SHOW, *stages]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert told.stdout.splitlines() == [*stages[:-1], f"{LAST} mediapipe"]
