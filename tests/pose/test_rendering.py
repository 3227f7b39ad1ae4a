from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from motiontransfer.core.errors import KeypointsError
from motiontransfer.pose.drawing import Lines, NumpyDrawer, PoseMapStyle, draw_rgb
from motiontransfer.pose.skeleton import COCO_17, HOLISTIC, LIMBS_OF_GROUP, Skeleton
from motiontransfer.pose.torch_drawing import PoseDrawer, draw_lines
from tests.people import keypoints_of

SIZE = (24, 32)
ENCODINGS = ("sticks", "limbs", "heatmaps")
THIGH = ("left_hip", "left_knee")
ALL_LIMBS = [(group, limb) for group, limbs in LIMBS_OF_GROUP.items() for limb in limbs]


def style(encoding="limbs", width=5.0):
    return PoseMapStyle(encoding=encoding, line_width_px=width, heatmap_sigma_px=width)


def pose(joints, *, score=1.0):
    """A batch of one in which only these joints, name -> (x, y), were found."""
    found = keypoints_of([joints], score=score)
    return torch.from_numpy(found.points), torch.from_numpy(found.score)


def draw(points, score, *, size=SIZE, encoding="limbs", width=5.0):
    drawer = PoseDrawer(skeleton=HOLISTIC, style=style(encoding, width))
    return drawer.draw(points, score, size=size)


def stick(start, end, *, limb=THIGH, score=1.0, **options):
    """One limb on one map: the channels added up."""
    drawn = draw(*pose(dict(zip(limb, (start, end), strict=True)), score=score), **options)
    return drawn[0].sum(0)


def random_poses(num_poses, *, low=-10.0, high=40.0, seed=3):
    random = torch.Generator().manual_seed(seed)
    shape = (num_poses, len(HOLISTIC.joints))
    points = low + (high - low) * torch.rand((*shape, 2), generator=random)
    score = torch.rand(shape, generator=random)
    score[score < 0.3] = 0
    return points * (score > 0)[..., None], score


def one_limb_each(limbs):
    """A batch with one limb drawn in each sample, from (5, 6) to (25, 18)."""
    parts = [pose({limb[0]: (5.0, 6.0), limb[1]: (25.0, 18.0)}) for limb in limbs]
    return torch.cat([points for points, _ in parts]), torch.cat([score for _, score in parts])


def channels_of(limbs):
    """For each limb, the channels in which it shows."""
    shown = draw(*one_limb_each(limbs)).amax((2, 3)) > 0
    return [frozenset(row.nonzero().flatten().tolist()) for row in shown]


def test_hands_and_faces_are_thinner():
    hands = [(f"{side}_hand_wrist", f"{side}_hand_thumb_cmc") for side in ("left", "right")]
    widths = [
        float(stick((12.0, 2.0), (12.0, 22.0), limb=limb, width=5.0)[12].sum())
        for limb in (THIGH, *hands, ("face_nose_bridge", "face_nose_tip"))
    ]
    assert widths == pytest.approx([5, 3, 3, 2.5], abs=3e-3)


def test_limbs_fade_with_the_weaker_joint_and_sticks_do_not():
    points, score = pose({"left_hip": (5.0, 5.0), "left_knee": (20.0, 15.0)})
    score[0, HOLISTIC.index("left_knee")] = 0.25
    assert float(draw(points, score).max()) == 0.25
    assert float(draw(points, score, encoding="sticks").max()) == 1
    score[0, HOLISTIC.index("left_hip")] = 0.125
    assert float(draw(points, score).max()) == 0.125


def test_each_limb_is_in_one_channel_and_arms_hands_and_legs_of_a_side_have_their_own():
    channels = dict(zip(ALL_LIMBS, channels_of([limb for _, limb in ALL_LIMBS]), strict=True))
    assert {len(found) for found in channels.values()} == {1}
    assert len({*channels.values()}) == style("limbs").num_channels
    left, right = (
        {
            channels[group, limb]
            for group, limb in ALL_LIMBS
            if group != "face" and all(it.startswith(side) for it in limb) and "eye" not in limb[0]
        }
        for side in ("left", "right")
    )
    assert len(left) == len(right) == 8
    assert len(left & right) == 1  # of the trunk


def test_sticks_have_colors_of_their_own_and_hands_and_faces_are_paler():
    colors = draw(*one_limb_each([limb for _, limb in ALL_LIMBS]), encoding="sticks").amax((2, 3))
    assert colors.shape[1] == style("sticks").num_channels == 3
    for group, palest in {"body": 0.0, "left_hand": 0.4, "right_hand": 0.4, "face": 0.85}.items():
        of_group = [c for c, (g, _) in zip(colors, ALL_LIMBS, strict=True) if g == group]
        least = [float(color.min()) for color in of_group]
        assert least == pytest.approx([palest] * len(of_group), abs=2e-3)
        assert all(not torch.allclose(a, b, atol=1e-3) for a, b in combinations(of_group, 2))


def spot(joints, *, sigma, size=SIZE, score=1.0):
    """The heatmaps of a pose whose joints are given as name -> (x, y)."""
    return draw(*pose(joints, score=score), size=size, encoding="heatmaps", width=sigma)[0]


def test_a_spot_is_a_gaussian_that_ends_at_four_deviations():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for at, sigma in (((12.25, 9.5), 2.5), ((16.0, 12.0), 2.0)):
        square = (x - at[0]) ** 2 + (y - at[1]) ** 2
        expected = 0.5 * np.exp(-square / (2 * sigma**2))
        drawn = spot({"nose": at}, sigma=sigma, score=0.5).sum(0).numpy()
        inside = square <= (4 * sigma) ** 2
        np.testing.assert_allclose(drawn[inside], expected[inside], atol=1e-6)
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 20, 8, 24)


def test_heatmaps_show_one_joint_a_channel_and_the_neck_between_the_shoulders():
    shown = [spot({joint: (9.0, 7.0)}, sigma=1.0).amax((1, 2)) for joint in COCO_17]
    assert all(int((channels > 0).sum()) == 1 for channels in shown)
    of_joint = {int(channels.argmax()) for channels in shown}
    assert len(of_joint) == len(COCO_17) == 17
    assert style("heatmaps").num_channels == 18

    shoulders = {"left_shoulder": (20.0, 8.0), "right_shoulder": (10.0, 12.0)}
    points, score = pose(shoulders)
    score[0, HOLISTIC.index("right_shoulder")] = 0.25
    (neck,) = set(range(18)) - of_joint
    drawn = draw(points, score, encoding="heatmaps", width=1.0)[0, neck]
    assert float(drawn[10, 15]) == float(drawn.max()) == 0.25


TAIL = Skeleton(groups=(("tail", ("root", "tip")),))
HAND = Skeleton(groups=(HOLISTIC.groups[1],))


@pytest.mark.parametrize(
    ("skeleton", "encoding", "named"), [(TAIL, "limbs", "body"), (HAND, "heatmaps", "nose")]
)
def test_a_skeleton_with_nothing_to_draw_is_refused(skeleton, encoding, named):
    points, score = torch.zeros(1, len(skeleton.joints), 2), torch.ones(1, len(skeleton.joints))
    with pytest.raises(KeypointsError, match=named):
        PoseDrawer(skeleton=skeleton, style=style(encoding)).draw(points, score, size=SIZE)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_skeleton_that_lacks_joints_is_drawn_without_what_they_would_show(encoding):
    """Keypoints made elsewhere: COCO knows no feet, no fingers and few points of the face."""
    coco = Skeleton(groups=(("body", tuple(name for name in COCO_17 if name != "left_knee")),))
    points, score = random_poses(2)
    known = [HOLISTIC.index(name) for name in coco.joints]
    drawer = PoseDrawer(skeleton=coco, style=style(encoding))
    alone = drawer.draw(points[:, known], score[:, known], size=SIZE)
    score[:, [i for i in range(len(HOLISTIC.joints)) if i not in known]] = 0
    assert torch.equal(alone, draw(points, score, encoding=encoding))
    assert alone.any()


@pytest.mark.parametrize(("wanted", "width"), [(style("limbs", 4.0), 4.0), (None, 2.0)])
def test_rgb_images_are_the_sticks(wanted, width):
    points, score = random_poses(1)
    how = {"skeleton": HOLISTIC, "size": SIZE, "style": wanted}
    shown = draw_rgb(points[0].numpy(), score[0].numpy(), **how)
    drawn = draw(points, score, encoding="sticks", width=width)[0]
    assert shown.dtype == np.uint8
    assert np.abs(shown - 255 * drawn.permute(1, 2, 0).numpy()).max() <= 0.5 + 1e-3


POSITION = st.floats(-40, 80, allow_nan=False).map(lambda value: round(value, 3))
FAR = st.one_of(POSITION, st.sampled_from([-3000.0, 3000.0]))
ENDS = st.tuples(st.tuples(FAR, FAR), st.tuples(FAR, FAR))
SIZES = st.sampled_from([(24, 32), (23, 41), (1, 9), (40, 5)])


def lines_on(stick, *, radius, size):
    """A stick given as ((x, y), (x, y)), drawn on one plane."""
    lines = Lines(
        points=np.array([stick], float),
        radius_px=np.array([radius]),
        intensity=np.ones((1, 1)),
        plane=np.zeros((1, 1), np.int64),
    )
    return draw_lines(lines, num_planes=1, size=size)


def by_distance(stick, *, radius, size):
    """Brute force over the whole frame: distance of each pixel's center to the segment."""
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    start, end = np.array(stick)
    along = end - start
    length_squared = max(along @ along, 1e-6)
    place = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length_squared, 0, 1)
    distance = np.hypot(x - start[0] - place * along[0], y - start[1] - place * along[1])
    return min(2 * radius, 1) * np.clip(max(radius, 0.5) + 0.5 - distance, 0, 1)


@given(ends=ENDS, radius=st.floats(0.2, 9), size=SIZES)
@example(ends=((3.0, 11.0), (60.0, 11.0)), radius=2.5, size=(24, 32))
@example(ends=((3.0, 6.0), (20.0, 6.0)), radius=1.0, size=(24, 32))
@example(ends=((3.0, -50.0), (3.0, 60.0)), radius=2.5, size=(24, 32))
@example(ends=((12.0, 12.0), (12.0, 12.0)), radius=1.5, size=(24, 32))
@example(ends=((-3000.0, -3000.0), (3000.0, 3000.0)), radius=1.0, size=(24, 32))
def test_no_pixel_that_a_stick_touches_is_left_out(ends, radius, size):
    drawn = lines_on(ends, radius=radius, size=size)
    assert drawn.shape == (1, *size)
    expected = by_distance(ends, radius=radius, size=size)
    assert np.abs(drawn[0].numpy() - expected).max() < 2e-3


COCO = Skeleton(groups=(("body", COCO_17),))


@pytest.mark.parametrize("skeleton", [HOLISTIC, COCO])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [(24, 32), (41, 23)])
def test_numpy_draws_what_pytorch_draws(encoding, size, skeleton):
    random = np.random.default_rng(0)
    points = random.uniform(-10, 50, (3, len(skeleton.joints), 2)).astype(np.float32)
    score = random.uniform(0, 1, points.shape[:2]).astype(np.float32)
    score[score < 0.3] = 0
    score[1] = 0
    asked = {"skeleton": skeleton, "style": style(encoding, 3.0)}
    drawn = NumpyDrawer(**asked).draw(points, score, size=size)
    drawer = PoseDrawer(**asked)
    expected = drawer.draw(torch.from_numpy(points), torch.from_numpy(score), size=size)
    assert drawn.max() > 0.5
    assert not drawn[1].any()
    assert np.abs(drawn - expected.numpy()).max() < 1e-6
