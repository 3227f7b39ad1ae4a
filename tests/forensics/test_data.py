from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.core.errors import MissingFileError, TrainingError
from motiontransfer.core.params import Transfer
from motiontransfer.forensics import data
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.pose.keypoints_file import read_keypoints, write_keypoints
from motiontransfer.rendering.frame import render_poses
from motiontransfer.rendering.renderer import load_renderer
from motiontransfer.training.data import BatchSampler, prefetch
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video
from tests.films import add_clip
from tests.forensics.planted import RATE, clip_pairs, rendered, walk
from tests.people import dance
from tests.stages.project import ARTIFACTS, add_everything_to_render
from tests.training.small import runtime

REAL = walk(7, seed=1)
FAKE = rendered(REAL)
STILL = np.full((6, 64, 48, 3), 90, np.uint8)


def test_compression_is_that_of_a_finished_video(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, REAL, frame_rate=RATE, crf=20)
    written = data.Second(subject="", video="", path=path, frames=range(7)).read().astype(int)
    ours = data.corrupt(REAL, data.Corruption(crf=20)).astype(int)
    # another number of threads spends its bits a little differently
    assert np.abs(ours - written).mean() < 1.0
    assert np.abs(ours.mean((0, 1, 2)) - written.mean((0, 1, 2))).max() < 0.5


def augmentations(real=REAL, fake=FAKE, *, count=60, crop_size=24):
    rngs = map(np.random.default_rng, range(count))
    return [data.draw_augmentation(real, fake, crop_size=crop_size, rng=rng) for rng in rngs]


def test_all_strengths_are_drawn_and_without_corruption_it_is_a_crop_or_its_mirror_image():
    drawn = augmentations(count=300)
    assert {each.corruption.crf for each in drawn} == {None, *range(14, 37)}
    sides = {each.box[2] - each.box[0] for each in drawn}
    assert min(sides) == 24
    assert 40 < max(sides) <= 48
    whole = (each for each in drawn if each.box[2] - each.box[0] == each.size)
    plain = [each for each in whole if each.corruption.crf is None]
    assert {each.mirrored for each in plain} == {True, False}
    for each in plain:
        x0, y0, x1, y1 = each.box
        crop = REAL[:, y0:y1, x0:x1]
        expected = crop[:, :, ::-1] if each.mirrored else crop
        np.testing.assert_array_equal(each.apply(REAL), expected)


def test_it_is_centered_where_something_moves_in_either_or_anywhere():
    moving = STILL.copy()
    moving[-1, 50:60, 2:10] = 200
    for pair in ((moving, STILL), (STILL, moving)):
        x0, y0, x1, y1 = np.transpose([it.box for it in augmentations(*pair, crop_size=12)])
        assert ((x0 < 10) & (x1 > 2) & (y0 < 60) & (y1 > 50)).all()
    assert len({it.box[:2] for it in augmentations(STILL, STILL, crop_size=12)}) > 30


@given(
    start=st.integers(0, 20),
    length=st.integers(0, 90),
    rate=st.fractions(min_value="1/2", max_value=60),
    max_frames=st.integers(1, 100),
)
def test_every_frame_pair_is_in_one_second_and_some_are_chosen(start, length, rate, max_frames):
    frames = range(start, start + length)
    seconds, chosen = (
        data.sampled_seconds(frames, frame_rate=rate, max_frames=count)
        for count in (10_000, max_frames)
    )
    assert [(t, t + 1) for each in seconds for t in each[:-1]] == [(t, t + 1) for t in frames[:-1]]
    assert all(2 <= len(each) <= round(rate) + 1 or len(each) == 2 for each in seconds)
    assert chosen == sorted(set(chosen), key=lambda each: each.start)
    assert set(chosen) <= set(seconds)
    if len(chosen) > 1:
        assert len(chosen) <= len(seconds) * max_frames / sum(map(len, seconds))
        assert (chosen[0], chosen[-1]) == (seconds[0], seconds[-1])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return [pair for seed in range(2) for pair in clip_pairs(folder, f"p{seed}", seed=seed)]


def dataset(pairs, **changes):
    return data.RealFakeDataset(pairs, **{"crop_size": 32, "seed": 5, **changes})


def test_an_item_is_frame_pairs_of_both_kinds_augmented_alike(pairs):
    short = [replace(each, frames=range(2)) for each in pairs[0]]
    for of in (pairs, [data.SecondPair(*short)]):  # of a short clip, too
        batch = dataset(of).batch([0, 3, 7])
        assert batch.real.shape == batch.fake.shape == (6, 2, 3, 32, 32)
        assert not torch.equal(batch.real, batch.fake)
    # the same frames as real and as fake: there is no codec to be learnt
    same = dataset([data.SecondPair(real=each.real, fake=each.real) for each in pairs])
    batch = same.batch(range(30))
    assert torch.equal(batch.real, batch.fake)


def test_items_depend_on_their_index_alone(pairs):
    whole, turned = dataset(pairs).batch([2, 9, 4]), dataset(pairs).batch([4, 9, 2])
    for place, other in ((0, 2), (1, 1), (2, 0)):
        kept, moved = slice(2 * place, 2 * place + 2), slice(2 * other, 2 * other + 2)
        assert torch.equal(whole.real[kept], turned.real[moved])
        assert torch.equal(whole.fake[kept], turned.fake[moved])
    sampler = BatchSampler(num_items=len(dataset(pairs)), batch_size=2, seed=1)
    how = {"steps": range(2)}
    few, many = (prefetch(dataset(pairs), sampler, num_readers=num, **how) for num in (1, 4))
    for one, other in zip(few, many, strict=True):
        assert torch.equal(one.real, other.real)


OF_BEN = Transfer(source="dance", source_subject="ben", target="ada", truth="none")
TRANSFERS = {"ada_as_ben": OF_BEN}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Ada's clip of three seconds and Ben's of two, at 25 frames a second."""
    monkeypatch.chdir(tmp_path)
    add_everything_to_render()
    add_clip(ARTIFACTS, "ada", "walk", dance(75))
    add_clip(ARTIFACTS, "ben", "dance", dance(50, seed=7))
    poses = replace(dance(50, seed=7), detector="normalised")
    write_keypoints(ARTIFACTS / "poses/ada_as_ben/poses.parquet", poses)


def clips_of_project(max_frames=1000):
    return data.project_segments(
        runtime(),
        targets=["ada"],
        transfers=TRANSFERS,
        face="none",
        held_out=HeldOut(held_out_fraction=0.3, gap_frames=2),
        max_frames=max_frames,
        folder=Path("scratch"),
    )


def test_the_clips_of_a_project(project):
    found = clips_of_project()
    (ada,), unseen = found
    assert ada.subject == "ada"
    # 75 frames: the first 51 (a gap of 2 before the last 22 is nobody's)
    assert [pair.real.frames for pair in ada.training] == [range(26), range(25, 51)]
    assert [pair.real.frames for pair in ada.held_out] == [range(53, 75)]
    for pair in (*ada.training, *ada.held_out):
        assert pair.real.path == Path("artifacts/frames/ada/walk/frames.mkv")
        assert len(pair.real.frames) == len(pair.fake.frames) == len(pair.fake.read())
    assert [clip.frames for clip in ada.transfers] == [range(26), range(26, 51)]
    assert {(clip.subject, clip.video) for clip in ada.transfers} == {("ada", "ada_as_ben")}
    assert {(clip.subject, clip.video) for clip in unseen} == {("ben", "dance")}
    with FrameStore(Path("artifacts/frames/ben/dance/frames.mkv")) as frames:
        np.testing.assert_array_equal(unseen[0].read()[3], frames[3])
    # a second is rendered as the whole video would be but for its start
    renderer = load_renderer(Path("artifacts/models/ada"), runtime(), face="none")
    poses = read_keypoints(Path("artifacts/keypoints/ada/walk.parquet")).part(range(51, 75))
    np.testing.assert_array_equal(ada.held_out[0].fake.read(), [*render_poses(renderer, poses)][2:])
    # what was rendered is kept
    before = {path.name: path.stat().st_mtime_ns for path in Path("scratch").iterdir()}
    assert before.keys() == {"ada_walk.mkv", "ada_as_ben.mkv"}
    assert clips_of_project() == found
    (few,), _ = clips_of_project(max_frames=40)
    assert [len(part) for part in (few.training, few.held_out, few.transfers)] == [1, 1, 1]
    assert {path.name: path.stat().st_mtime_ns for path in Path("scratch").iterdir()} == before


def test_input_files_are_complete_and_missing_ones_named(project):
    named = data.input_files(targets=["ada"], transfers=TRANSFERS)
    assert {str(path).removeprefix("artifacts/") for path in named} == {
        *("frames/ada/walk/frames.mkv", "frames/ben/dance/frames.mkv"),
        *("keypoints/ada/walk.parquet", "poses/ada_as_ben/poses.parquet"),
        *("models/ada/generator.safetensors", "models/ada/face_generator.safetensors"),
    }
    Path("artifacts/poses/ada_as_ben/poses.parquet").unlink()
    with pytest.raises(MissingFileError, match=r"ada_as_ben/poses\.parquet"):
        data.input_files(targets=["ada"], transfers=TRANSFERS)
    Path("artifacts/models/ada/generator.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"generator\.safetensors"):
        clips_of_project()


def target(subject, *, training=2, held_out=2):
    first = data.Second(subject=subject, video="v", path=Path(f"{subject}.mkv"), frames=range(9))
    starts = range(0, 8 * (training + held_out), 8)
    clips = [replace(first, frames=range(start, start + 9)) for start in starts]
    fakes = [replace(each, path=Path("fake.mkv")) for each in clips]
    made = [data.SecondPair(*pair) for pair in zip(clips, fakes, strict=True)]
    transfers = [replace(first, video="t", path=Path("t.mkv"))]
    parts = {"training": made[:training], "held_out": made[training:], "transfers": transfers}
    return data.TargetSegments(subject=subject, **parts)


UNSEEN = target("cleo").transfers


def test_of_several_targets_the_last_is_only_tested_on():
    known, last = [target("ada"), target("ben")], target("dan")
    split = data.split_segments([*known, last], UNSEEN)
    assert split.held_out_subject == "dan"
    assert split.training == [*known[0].training, *known[1].training]
    assert split.calibration == [*known[0].held_out, *known[1].held_out]
    pairs = [*last.training, *last.held_out]
    assert split.test.real == [*(pair.real for pair in pairs), *UNSEEN]
    assert split.test.fake == [*(pair.fake for pair in pairs), *last.transfers]


def test_the_only_target_is_tested_on_its_later_part():
    ada = target("ada", held_out=3)
    split = data.split_segments([ada], UNSEEN)
    assert split.held_out_subject is None
    assert split.training == ada.training
    assert split.calibration == ada.held_out[:2]
    assert split.test.real == [ada.held_out[2].real, *UNSEEN]
    assert split.test.fake == [ada.held_out[2].fake, *ada.transfers]


@pytest.mark.parametrize("parts", [{"training": 0}, {"held_out": 0}])
def test_too_few_clips_are_refused(parts):
    with pytest.raises(TrainingError, match="ada"):
        data.split_segments([target("ada", **parts)], [])
