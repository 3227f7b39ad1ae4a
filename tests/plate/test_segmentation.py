import numpy as np
import pytest
import skimage.data

from motiontransfer.core.errors import MissingFileError
from motiontransfer.plate.masks import PersonMasks, read_masks, write_masks
from motiontransfer.plate.segmentation import segment_person
from motiontransfer.pose.segmentation import square_around, without_strays
from motiontransfer.pose.skeleton import HOLISTIC
from tests.people import PERSON_SIZE, everyone, keypoints_of, posed, rotated

ASTRONAUT = {
    **{"nose": (111, 64), "left_eye": (118, 55), "right_eye": (104, 55)},
    **{"left_shoulder": (165, 130), "right_shoulder": (55, 135)},
    **{"left_hip": (160, 260), "right_hip": (70, 260)},
}
"""Joints in the photograph at half its size."""


def astronaut_at(x, width):
    """Keypoints of the person in a photograph that begins at x of an image of such a width."""
    return keypoints_of(
        [{joint: np.add(at, (x, 0)) for joint, at in ASTRONAUT.items()}], (256, width)
    )


def test_of_two_people_the_one_with_the_joints_is_segmented():
    one = skimage.data.astronaut()[::2, ::2]
    pair = np.ascontiguousarray(np.concatenate([one, one[:, ::-1]], axis=1))
    found = segment_person(astronaut_at(0, 512), [(0, pair)])
    assert (found.masks.shape, found.is_drawn.tolist()) == ((1, 256, 512), [False])
    mask = found.masks[0]
    assert (mask[130:200, 60:120] > 200).mean() > 0.97  # the suit
    assert (mask[45:80, 100:120] > 200).mean() > 0.97  # the face
    assert mask[:100, 180:256].max() < 30  # the shuttle
    assert (mask[:, 300:] > 127).mean() < 0.05  # the other one


def test_a_joint_far_from_the_person_is_none_in_a_picture():
    photo = skimage.data.astronaut()[::2, ::2]
    keypoints = astronaut_at(0, 256)
    for place, is_kept in (((60, 240), True), ((222, 200), False)):  # in the suit; in the room
        keypoints.points[0, HOLISTIC.index("left_knee")] = place
        keypoints.score[0, HOLISTIC.index("left_knee")] = 0.9
        found = without_strays(everyone(keypoints), np.ascontiguousarray(photo))
        lost_joints = (keypoints.score[0] > 0) & (found.score[0] == 0)
        assert np.flatnonzero(lost_joints).tolist() == [HOLISTIC.index("left_knee")] * (not is_kept)


def test_where_the_network_finds_nobody_the_joints_are_drawn():
    keypoints = posed()
    empty = np.full((*PERSON_SIZE, 3), 90, np.uint8)
    found = segment_person(keypoints, [(0, empty)])
    assert found.is_drawn.tolist() == [True]
    x, y = np.mean([keypoints.joint(f"{side}_hip")[0][0] for side in ("left", "right")], axis=0)
    mask = found.masks[0]
    assert mask[round(y) - 10, round(x)] == 255
    for joint in ("left_knee", "right_elbow", "nose"):
        x, y = keypoints.joint(joint)[0][0].round().astype(int)
        assert mask[y, x] == 255
    assert 0.03 < (mask > 0).mean() < 0.3


def test_a_frame_without_joints_has_no_mask():
    empty = np.full((*PERSON_SIZE, 3), 90, np.uint8)
    nobody = keypoints_of([{}], PERSON_SIZE)
    assert segment_person(nobody, [(0, empty)]).masks.shape == (0, *PERSON_SIZE)


def test_the_square_is_upright_as_the_trunk_and_holds_all_joints():
    """The forehead is the farthest from the hips at (128, 128): 80 above."""
    square = square_around(posed(), 0, height_px=150.0)
    side = 2.5 * 80
    found = np.array([square.width, square.height, square.x_center, square.y_center]) * 256
    assert found == pytest.approx([side, side, 128.5, 128.5], rel=0.001)
    assert square.rotation == pytest.approx(0)
    lying = square_around(rotated(posed(), 90), 0, height_px=150.0)
    assert lying.rotation == pytest.approx(np.pi / 2)


def test_masks_are_read_as_they_were_written(tmp_path):
    masks = np.random.default_rng(0).integers(0, 256, (2, 5, 7), np.uint8)
    indices, is_drawn = np.array([3, 8], np.int32), np.array([False, True])
    path = tmp_path / "masks.parquet"
    write_masks(path, PersonMasks(frame_index=indices, masks=masks, is_drawn=is_drawn))
    found = read_masks(path)
    assert np.array_equal(found.masks, masks)
    assert np.array_equal(found[8], masks[1])
    assert found.is_drawn.tolist() == [False, True]
    assert found.frames_of(range(8)) == [3]
    with pytest.raises(MissingFileError, match="dvc repro"):
        read_masks(tmp_path / "absent.parquet")
