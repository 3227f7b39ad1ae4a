import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from motiontransfer.pose.keypoints_file import write_keypoints
from stages.guide import main
from tests.films import add_source
from tests.people import dance
from tests.project_files import write_sections

GUIDES = {
    "anybody": {"source": "waltz", "source_subject": "ben", "target": "ben"},
    "mine": {"source": "waltz", "source_subject": "ben", "target": "ada"},
}


@pytest.fixture
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keypoints = replace(dance(12), frame_rate=Fraction(4))
    add_source(Path("artifacts"), "ben", "waltz", keypoints)
    for file in ("ben/waltz", "ada/film"):
        path = Path(f"artifacts/keypoints/{file}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_keypoints(path, keypoints)
    write_sections({"guides": GUIDES})


def counts(guide):
    main(guide)
    files = {path.name for path in Path(f"results/guides/{guide}").iterdir()}
    assert files == {"guide.mp4", "poses.png", "counts.json"}
    return json.loads(Path(f"results/guides/{guide}/counts.json").read_text())


@pytest.mark.usefixtures("_project")
def test_the_dancers_own_film_counts_for_nobody_and_anothers_does():
    found = counts("anybody")
    assert found["poses"] > 0
    assert found["coverage_before"] == 0 < found["coverage"]
    same = counts("mine")  # she has filmed that dance
    assert same["poses"] == 0
    assert same["coverage_before"] == same["coverage"] == pytest.approx(1)
