import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from demo import film
from motiontransfer.core.errors import ParamsError
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.video.frame_store import FrameStore

PARAMS = """
film: {side: 64, frame_rate: 25, samples: 1, crf: 12}
target: {seconds: 0.6, beats_per_minute: 112, seed: 7, poses: 3, place: [0.2, 0.5],
  change_seconds: 0.04, hold_seconds: 0.08}
source: {seconds: 0.4, beats_per_minute: 112, seed: 21}
"""


@pytest.fixture
def project(warm, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    write_compute(num_workers=1)


def write_compute(*, num_workers):
    Path("params.yaml").write_text(f"compute: {{num_workers: {num_workers}}}\n")


def frames_of(path):
    with FrameStore(Path(path)) as video:
        return list(video.frames())


@pytest.mark.slow
def test_the_source_is_the_same_bytes_with_any_number_of_workers(project):
    params = PARAMS.replace("seconds: 0.4", "seconds: 0.9")  # more than the ten of one batch
    Path("demo/params.yaml").write_text(params)
    contents = []
    for workers in (1, 3):
        write_compute(num_workers=workers)
        film.main("source")
        contents.append([path.read_bytes() for path in sorted(Path("demo/clips").iterdir())])
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2
    frames = frames_of("demo/clips/source.mp4")
    assert len(frames) == 22
    assert any((one != other).any() for one, other in itertools.pairwise(frames))
    joints = read_keypoints(Path("demo/clips/source_joints.parquet"))
    assert (joints.num_frames, joints.image_size) == (22, (64, 64))
    assert joints.score.mean() > 0.99
    with av.open("demo/clips/source.mp4") as video:
        sound = sum(frame.samples / frame.sample_rate for frame in video.decode(audio=0))
    assert sound == pytest.approx(22 / 25, abs=0.05)


@pytest.mark.slow
def test_the_ground_truth_has_the_sources_frames_and_the_targets_room(project):
    film.main("truth")
    film.main("target")
    truth, target = frames_of("data/truth/demo.mp4"), frames_of("demo/clips/target.mp4")
    assert (len(truth), len(target)) == (10, 15)
    corners = (slice(0, 8), slice(0, 64))
    assert np.abs(truth[0][corners].astype(int) - target[0][corners]).mean() < 2


def test_poses_longer_than_the_film_and_unknown_clips_are_refused(project, monkeypatch, ben):
    monkeypatch.setattr(film, "load_actor", lambda *_: ben)
    Path("demo/params.yaml").write_text(PARAMS.replace("hold_seconds: 0.08", "hold_seconds: 2"))
    with pytest.raises(ParamsError, match=r"0.6 s are too short for \d+ poses of 0.04 \+ 2 s"):
        film.main("target")
    with pytest.raises(ParamsError, match="target, source, truth"):
        film.main("targte")
