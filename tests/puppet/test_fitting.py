from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.core.errors import TrainingError, WeightsError
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.puppet.appearance_file import write_appearance
from motiontransfer.puppet.fit.fitting import fit_target, target_appearance
from motiontransfer.training.pose_gan import Target
from tests.films import film, training_clip
from tests.people import dance, difference_mask, inside, picture, scene

STRIPES = np.where(np.indices((96, 80, 3))[1] % 6 < 3, np.uint8(60), np.uint8(200))


def appearance_of(clips, num_references, num_workers=1):
    with FullSizeFrames(clips) as frames:
        return fit_target(frames, num_references=num_references, num_workers=num_workers)[0]


def test_references_are_so_many_training_frames_with_a_body(two_clips):
    """In patches whose coverage has few levels."""
    appearance = appearance_of(two_clips, num_references=5)
    frames = [tuple(key) for key in appearance.frames.tolist()]
    usable = {*((0, frame) for frame in (0, 1, 2, 3, 4, 5, 7)), *((1, frame) for frame in range(4))}
    assert len(frames) == 5
    assert {*frames} <= usable
    assert frames == sorted(frames)
    for (clip, frame), points in zip(appearance.frames, appearance.points, strict=True):
        assert np.array_equal(points, two_clips[clip].keypoints.points[frame])
    patches = [patch for row in appearance.patches for patch in row if patch]
    levels = np.unique(np.concatenate([patch.pixels[..., 3].ravel() for patch in patches]))
    assert not (levels % 17).any()
    assert levels[-1] == 255


def test_there_are_no_more_references_than_frames_with_a_body(two_clips):
    appearance = appearance_of(two_clips, num_references=1000)
    of_first = [frame for clip, frame in appearance.frames.tolist() if clip == 0]
    assert of_first == [0, 1, 2, 3, 4, 5, 7]  # nobody in the seventh, and two are held out
    assert len(appearance.frames) == 11


def test_the_number_of_workers_changes_nothing(two_clips, tmp_path):
    for count in (1, 2):
        write_appearance(tmp_path / f"{count}", appearance_of(two_clips, 12, num_workers=count))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_reference_is_cut_before_the_room_as_its_frame_shows_it(tmp_path):
    """The image of the room has all of it four pixels to the right."""
    clip = training_clip(tmp_path, dance(2, size=(96, 80), start_x=30), draw=before_stripes)
    moved = scene(np.roll(STRIPES, 4, axis=1))
    view = np.array([[1, 0, 4], [0, 1, 0], [0, 0, 1.0]])
    rooms = scene(STRIPES), moved._replace(views={(0, 0): view}), moved
    cut = []
    for room in rooms:
        with FullSizeFrames([clip]) as frames:
            appearance = target_appearance(frames, room, [(0, 0)], num_workers=1)
        cut.append([patch.encoded.tobytes() for patch in appearance.patches[0] if patch])
    assert cut[0] == cut[1]
    assert cut[0] != cut[2]


def before_stripes(keypoints, index):
    frame, empty = picture(keypoints, index), picture(dance(1, size=(96, 80), missing=[0]), 0)
    return np.where(difference_mask(frame, empty)[..., None] > 0, frame, STRIPES)


def test_a_frame_that_shows_a_head_alone_is_no_reference(tmp_path):
    keypoints = dance(6)
    keypoints.points[2, 11:] = 0
    keypoints.score[2, 11:] = 0
    clip = training_clip(tmp_path, keypoints)
    appearance = appearance_of([clip], num_references=9)
    assert appearance.frames[:, 1].tolist() == [0, 1, 3, 4, 5]
    keypoints.points[:, 11:], keypoints.score[:, 11:] = 0, 0
    with pytest.raises(TrainingError, match="no training frame shows a trunk or a limb"):
        appearance_of([clip], num_references=9)


def test_a_clip_without_anybody_changes_no_height(two_clips, tmp_path):
    nobody = training_clip(tmp_path, dance(4, missing=range(4)))
    alone = appearance_of(two_clips[:1], num_references=4)
    beside = appearance_of([two_clips[0], nobody], num_references=4)
    assert beside.height_px == alone.height_px
    assert np.array_equal(beside.frames, alone.frames)


def test_an_appearance_of_other_frames_is_refused(two_clips, tmp_path):
    appearance = appearance_of(two_clips, num_references=2)
    other = replace(appearance, background=np.zeros((50, 40, 3), np.uint8))
    with pytest.raises(WeightsError, match=r"ada\.s.*of the clips' \(48, 40\) px, got \(50, 40\)"):
        Target(
            clips=two_clips,
            held_out=HeldOut(held_out_fraction=0.2, gap_frames=0),
            appearance=other,
            appearance_file=tmp_path / "ada.safetensors",
        )


def test_references_and_background_have_the_full_size(tmp_path):
    """There they are twice as high as the working image."""
    keypoints, large = dance(11, size=(24, 20)), dance(11, size=(48, 40))
    clip = training_clip(tmp_path, keypoints, training_frames=range(9))
    film(tmp_path / "full_size.mkv", large)
    appearance = appearance_of([clip], num_references=9)
    assert appearance.frames[:, 1].tolist() == [*range(9)]
    assert appearance.background.shape == (48, 40, 3)
    assert np.array_equal(appearance.points, keypoints.resized((48, 40)).points[:9])
    frame, empty = picture(large, 2), picture(dance(1, size=(48, 40), missing=[0]), 0)
    person = inside(difference_mask(frame, empty), by_px=2)
    is_body = person & (frame == (200, 30, 40)).all(axis=2)  # not the hand before it
    compared = 0
    for patch in filter(None, appearance.patches[2]):
        (x, y), (height, width) = patch.corner, patch.size
        place = np.s_[y : y + height, x : x + width]
        is_covered = (patch.pixels[..., 3] > 0) & is_body[place]
        assert (patch.pixels[is_covered, :3] == (200, 30, 40)).all()
        compared += is_covered.sum()
    assert compared > 10
    of_working = appearance_of([training_clip(tmp_path / "small", keypoints)], num_references=9)
    assert appearance.height_px == pytest.approx(2 * of_working.height_px, rel=1e-6)
