"""A ball before the trousers is an occluder, which other references tell, and is filled."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.filling import _PartViews
from motiontransfer.puppet.fit.occluders import SmallCopy, occluder_mask, small_copy
from tests.people import (
    COLORS,
    HEIGHT_PX,
    NUMBER_OF,
    PARTS,
    appearance_of,
    from_behind,
    joined,
    lost,
    painted,
    posed,
    scaled,
)

BALL = (142, 147)
"""x, y in the middle of the left thigh, for someone whose hips are at 128, 128."""


def thigh_colors(num_balls, *, radius_px=6, num_references=8):
    """Colors and coverage of the first reference's thigh in the middle of the ball."""
    frames = [painted(posed())[0] for _ in range(num_references)]
    for frame in frames[:num_balls]:
        cv2.circle(frame, BALL, radius_px, (255, 255, 255), -1)
    appearance = appearance_of(*[posed()] * num_references, frames=frames)
    patch = appearance.patches[0][NUMBER_OF["left_thigh"]]
    x, y = np.subtract(BALL, patch.corner)
    return patch.pixels[y - 2 : y + 3, x - 2 : x + 3].astype(int)


def test_a_ball_before_a_thigh_is_not_of_it():
    without, with_ball = thigh_colors(0), thigh_colors(1)
    assert (with_ball[..., 3] == 255).all()
    np.testing.assert_allclose(with_ball[..., :3], without[..., :3], atol=3)


def test_what_a_third_of_the_references_show_or_few_can_tell_stays():
    white = (255, 255, 255)
    assert (thigh_colors(4)[..., :3] == white).all()  # three of seven others
    assert (thigh_colors(1, num_references=5)[..., :3] == white).all()


def test_a_back_is_not_taken_for_a_front_that_lost_its_print():
    """Twenty fronts in white, five backs without, whose shoulders lie the other way round."""
    prints = {
        "torso": (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")),
        "left_thigh": (("left_hip", "left_knee"),),
        "left_forearm": (("left_elbow", "left_wrist"),),
    }
    front, back = posed(), from_behind(posed())
    of_back, of_front = painted(back)[0], painted(front)[0]
    for joints in (ends for of_part in prints.values() for ends in of_part):
        start, end = (front.joint(joint)[0][0].round().astype(int).tolist() for joint in joints)
        cv2.line(of_front, start, end, (255, 255, 255), 12)
    frames = [of_back] * 5 + [of_front] * 20
    first = appearance_of(*[back] * 5, *[front] * 20, frames=frames).patches[0]
    for part, (joints, *_) in prints.items():
        at = np.mean([back.joint(joint)[0][0] for joint in joints], axis=0).round().astype(int)
        x, y = at - first[NUMBER_OF[part]].corner
        shown = first[NUMBER_OF[part]].pixels[y, x].astype(int)
        np.testing.assert_allclose(shown, [*of_back[at[1], at[0]], 255], atol=3)


def copy_of(colors):
    return small_copy(colors, np.full(colors.shape[:2], 255, np.uint8))


def occluded(colors, others, *, has_sides=True):
    return occluder_mask(copy_of(colors), others, has_sides=has_sides)


def plain(height=32, width=32, *, level=60):
    return np.full((height, width, 3), level, np.uint8)


def marked(side, *, at=8, level=255):
    colors = plain()
    colors[at : at + side, at : at + side] = level
    return colors


@pytest.mark.parametrize(
    ("colors", "has_sides", "share"),
    [
        (marked(6), True, (10 / 32) ** 2),  # with the pixels around, which it colors
        (marked(6, level=100), True, 0),  # too alike
        (marked(2), True, 0),  # an edge a pixel beside
        (marked(24, at=2), True, 0),  # more than half: a back
        (marked(24, at=2), False, (28 / 32) ** 2),  # a ball before most of a shin seen from its end
    ],
)
def test_a_blob_of_another_color_is_an_occluder(colors, has_sides, share):
    found = occluded(colors, [(copy_of(plain()), np.eye(2, 3))] * 5, has_sides=has_sides)
    assert found.mean() == pytest.approx(share)


def test_an_occluder_goes_on_where_fewer_references_contradict_it():
    """A ball whose upper half three of eight others show, too; but not as far as five do."""
    ball, half, more = marked(12), plain(), plain()
    half[8:14, 8:20] = more[8:10, 8:20] = 255
    others = [half] * 3 + [more] * 2 + [plain()] * 3
    found = occluded(ball, [(copy_of(other), np.eye(2, 3)) for other in others])
    assert found[11:20, 8:20].all()
    assert not found[:8].any()  # two pixels around it


def cut_part(coverage):
    coverage = np.asarray(coverage, np.uint8)
    colors = np.full((*coverage.shape, 3), 90, np.uint8)
    return CutPart(corner=(0, 0), colors=colors, coverage=coverage, hidden=0 * coverage)


def test_small_pieces_of_a_part_go_and_large_ones_stay():
    """An arm divides a trunk of 20x10 pixels; at a faint rim are 6 pixels of a ball."""
    coverage = np.zeros((24, 20), np.uint8)
    coverage[:20, :10] = 255
    coverage[8:11] = 0
    coverage[3:5, 10:17] = [60] * 4 + [200] * 3
    kept = cut_part(coverage).without_scraps().coverage
    assert np.array_equal(kept[:, :14], coverage[:, :14])
    assert not kept[:, 14:].any()
    assert not cut_part(np.zeros((5, 5))).without_scraps().coverage.any()


def test_a_hand_before_a_shirt_has_no_rim_of_it():
    pose = scaled(posed(left_wrist=(0, -20), left_elbow=(24, -25)), by=3, size=(768, 768))
    frame, masks = painted(pose)
    shirt = np.where(masks["torso"][..., None], np.uint8((30, 200, 60)), frame)
    blurred = cv2.GaussianBlur(shirt, (0, 0), 1.8)
    patch = appearance_of(*[pose] * 3, frames=[blurred] * 3).patches[0][NUMBER_OF["left_hand"]]
    red, green, _, coverage = patch.pixels.astype(int).transpose(2, 0, 1)
    assert (coverage > 127).sum() > 600
    assert not ((coverage > 127) & (green > red - 40)).any()


@pytest.mark.parametrize("is_found", [True, False])
@pytest.mark.parametrize("is_white", [True, False])
def test_a_hand_that_hardly_shows_and_has_no_fingers_is_none(is_found, is_white):
    """What one of six shows in white is no hand's."""
    pose, (frame, masks) = posed(), painted(posed())
    white = np.where(masks["left_hand"][..., None], np.uint8(250), frame)
    first = pose if is_found else lost(pose, "left_hand", [0])
    frames = [white if is_white else frame] + [frame] * 5
    appearance = appearance_of(first, *[pose] * 5, frames=frames)
    is_none = [row[NUMBER_OF["left_hand"]] is None for row in appearance.patches]
    assert is_none == [is_white and not is_found, *[False] * 5]


def test_a_hand_has_no_small_pieces_apart_from_it():
    """A scrap of a shirt, in the patch of a hand."""
    coverage = np.zeros((24, 20), np.uint8)
    coverage[:20, :8] = coverage[5:9, 14:18] = 255
    pose, hand = posed(), PARTS[NUMBER_OF["left_hand"]]
    poses = BodyPoses(pose.skeleton, pose.points, pose.score)
    cut = {0: cut_part(coverage)}
    views = _PartViews(part=hand, poses=poses, scales=np.ones(1), height_px=150.0, cut=cut)
    kept = views.filled(0).coverage
    assert (kept[:20, :8] == 255).all()
    assert not kept[:, 13:].any()


@pytest.mark.parametrize("radius_px", [4.0, 16.0])  # the larger one in a smaller image
def test_a_string_at_a_part_goes_and_what_a_disc_fits_in_stays(radius_px):
    side, string = round(12 * radius_px), round(radius_px)
    coverage = np.zeros((2 * side, side))
    coverage[:side] = coverage[:, -string:] = 255
    own = np.zeros(coverage.shape, np.uint8)
    own[-1] = 255
    kept = cut_part(coverage).without_thin(radius_px, own).coverage
    assert not kept[round(1.1 * side) : -1].any()
    assert np.array_equal(kept[-1], coverage[-1])
    middle = np.s_[string : side - string, string : side - string]
    assert (kept[middle] == 255).all()
    assert kept[:side].mean() > 250  # corners are rounded


def test_what_is_filled_is_not_darker_at_the_edge_of_its_source():
    """Moved by half a pixel, its last column covers half of one: in its own color."""
    source, own = cut_part(np.full((4, 4), 255)), cut_part(np.zeros((4, 6)))
    own = replace(own, hidden=np.full((4, 6), 255, np.uint8), colors=own.colors * 0)
    filled = own.filled_from(source, np.array([(1, 0, 0.5), (0, 1, 0)]))
    assert filled.coverage[0].tolist() == pytest.approx([128, 255, 255, 255, 128, 0], abs=1)
    assert filled.colors[0, :5] == pytest.approx(90)


def test_what_lies_beyond_a_part_is_not_filled_from_the_next_reference():
    """The first shows four columns and the room in two of the others; what hides it in two more."""
    own = replace(cut_part(np.zeros((4, 8))), hidden=np.full((4, 8), 255, np.uint8))
    first = cut_part([[255] * 4 + [0] * 4] * 4)
    first.hidden[:, 6:] = 255
    for source in (first, cut_part(np.full((4, 8), 255))):
        own = own.filled_from(source, np.eye(2, 3))
    assert own.coverage[0].tolist() == [255] * 4 + [0] * 2 + [255] * 2
    assert not own.hidden.any()


SIDE = 50
"""Side of a trunk's box, around the middle of the body."""


def trunk(arm, *, rim=90, level=90):
    """A trunk in which an upright arm hides ten columns, with a rim of two on each side.

    A line at its edge is sharp in all.
    """
    part = replace(cut_part(np.full((SIDE, SIDE), 255)), corner=(128 - SIDE // 2, 128 - SIDE))
    part.colors[:] = level
    part.coverage[:, arm : arm + 10], part.hidden[:, arm : arm + 10] = 0, 255
    part.colors[:, [arm - 2, arm - 1, arm + 10, arm + 11]] = rim
    part.colors[:, -2] = 255
    return part


def hanging(arm):
    """Someone whose left arm hangs in these columns of the trunk."""
    x = arm + 5 - SIDE // 2
    return posed(left_elbow=(x, -25), left_wrist=(x, -2), left_index=(x, 8))


def filled_trunk(cut, poses, *, part="torso", other_side=None):
    poses = joined(*poses)
    views = _PartViews(
        part=PARTS[NUMBER_OF[part]],
        poses=BodyPoses(poses.skeleton, poses.points, poses.score),
        scales=np.ones(len(cut)),
        height_px=HEIGHT_PX,
        cut=dict(enumerate(cut)),
        other_side=other_side,
    )
    return views.filled(0)


ARMS = 8, 17, 32
"""First columns of arms: the second one's rim lies where the first one hides the trunk."""


def test_the_rim_of_an_arm_stays_only_where_no_other_reference_shows_the_trunk():
    cut = [trunk(arm, rim=250) for arm in ARMS]
    filled = filled_trunk(cut, map(hanging, ARMS))
    assert (
        filled.colors[SIDE // 2 :, :30] == 90
    ).all()  # below the elbow: above, the arm lies elsewhere
    assert (filled.coverage == 255).all()
    alone = filled_trunk(cut[:1], [hanging(ARMS[0])])
    assert (alone.colors[:, [6, 7, 18, 19]] == 250).all()
    assert (alone.coverage[:, [6, 7, 18, 19]] == 255).all()


def test_what_is_hidden_by_others_than_arms_has_no_rim():
    """Columns in the middle: a head, whose chin lies on a collar."""
    cut = [trunk(arm, rim=250) for arm in (20, 4)]
    filled = filled_trunk(cut, [posed()] * 2)
    assert (filled.colors[:, [18, 19, 30, 31]] == 250).all()


def limb_beside_a_hand(*, above=10, below=10, is_hidden=np.s_[16:24]):
    """An upright limb around column 20, and how it is filled behind a hand at its right edge."""
    widths = np.where(np.arange(40) < 20, above, below)[:, None]
    columns = np.arange(40)
    own = cut_part(np.where((columns >= 10) & (columns < 20 + widths), 255, 0))
    own.hidden[is_hidden, 26:37] = 255
    own.coverage[is_hidden, 26:37] = 0
    filled = replace(own, coverage=cv2.max(own.coverage, own.hidden), hidden=0 * own.hidden)
    return own, filled


def images_of(part, *, is_turned):
    turned = {name: getattr(part, name).swapaxes(0, 1) for name in ("colors", "coverage", "hidden")}
    return replace(part, **turned) if is_turned else part


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize(("above", "below"), [(10, 10), (8, 12), (12, 8)])
def test_a_limb_is_filled_up_to_where_its_edge_is_above_and_below_a_hand(above, below, is_turned):
    """In the middle it is as wide as the mean of both: up to column 30."""
    own, filled = limb_beside_a_hand(above=above, below=below)
    own, filled = (images_of(part, is_turned=is_turned) for part in (own, filled))
    line = np.array([(0, 20), (40, 20)] if is_turned else [(20, 0), (20, 40)], float)
    kept = images_of(filled.within_edges(own, line, 2.0), is_turned=is_turned).coverage
    assert (kept[19:21, 10:29] == 255).all()
    assert not kept[19:21, 33:].any()
    assert (kept[:, 10:26] == 255).all()


def test_what_hides_an_edge_along_all_of_a_limb_does_not_end_it():
    own, filled = limb_beside_a_hand(is_hidden=np.s_[:])
    kept = filled.within_edges(own, np.array([(20, 0), (20, 40)], float), 2.0)
    assert np.array_equal(kept.coverage, filled.coverage)


def test_a_thigh_behind_a_hand_is_no_wider_than_in_its_own_frame():
    """Another reference shows it four columns wider, as from the side."""
    own, wide = limb_beside_a_hand()
    wide.coverage[:, 30:34] = 255
    for each in (own, wide):
        each.colors[:, 12] = 255  # sharp
    corner = BALL[0] - 20, BALL[1] - 20
    cut = [replace(each, corner=corner) for each in (own, wide)]
    kept = filled_trunk(cut, [posed()] * 2, part="left_thigh").coverage
    assert (kept[18:22, 26:29] == 255).all()
    assert not kept[18:22, 33].any()


@pytest.mark.parametrize(("part", "other_side"), [("left_thigh", None), ("torso", {})])
def test_a_leg_and_a_photo_keep_what_is_beside_an_arm(part, other_side):
    cut = [trunk(arm, rim=250) for arm in ARMS]
    filled = filled_trunk(cut, map(hanging, ARMS), part=part, other_side=other_side)
    assert (filled.colors[:, [6, 7, 18, 19]] == 250).all()


def test_a_trunk_goes_on_behind_an_arm_between_its_joints_and_not_beside_them():
    """Nothing shows it in any reference: the colors around go on."""
    torso = NUMBER_OF["torso"]
    crossed = posed(left_wrist=(5, -30), left_elbow=(38, -20))
    patch = appearance_of(crossed).patches[0][torso]
    (elbow,), (wrist,) = (crossed.joint(f"left_{joint}")[0] for joint in ("elbow", "wrist"))
    x, y = (0.2 * elbow + 0.8 * wrist).round().astype(int) - patch.corner
    *color, coverage = patch.pixels[y, x].astype(int)
    assert coverage == 255
    assert color == pytest.approx(COLORS[torso], abs=30)
    beside = posed(left_wrist=(24, 0), left_elbow=(24, -25))  # the hull ends at 12 to 20
    patch = appearance_of(beside).patches[0][torso]
    x = 128 + 24 - patch.corner[0]
    assert x >= patch.size[1] or not patch.pixels[128 - 15 - patch.corner[1], x:, 3].any()


def test_other_references_are_mapped_to_the_part_in_their_own_size():
    """Twice as large they show the same mark; 12 px away they do not."""
    own, moved = marked(6), np.array([(0.5, 0, 0), (0, 0.5, 0)])
    large = copy_of(own.repeat(2, axis=0).repeat(2, axis=1))
    assert not occluded(own, [(large, moved)] * 5).any()
    assert occluded(own, [(large, moved + np.array((0, 0, 12)))] * 5).any()


def test_references_that_do_not_show_the_place_do_not_count():
    """Five of six are covered elsewhere alone."""
    mark, hidden = marked(6), np.full((32, 32), 255, np.uint8)
    hidden[4:20, 4:20] = 0
    blind = (SmallCopy(plain(), hidden, 1.0), np.eye(2, 3))
    assert not occluded(mark, [blind] * 5 + [(copy_of(plain()), np.eye(2, 3))] * 4).any()
    assert occluded(mark, [blind] * 5 + [(copy_of(plain()), np.eye(2, 3))] * 5).any()


@pytest.mark.parametrize("num_spotted", [1, 2])
def test_an_arm_keeps_the_colors_that_a_quarter_of_the_references_show_anywhere(num_spotted):
    """An elbow, or a sleeve that slides; what one of eight shows is filled from the others."""
    frames = [painted(posed())[0] for _ in range(8)]
    elbow, wrist = (posed().joint(f"left_{joint}")[0][0] for joint in ("elbow", "wrist"))
    for frame, share in zip(frames[:num_spotted], (0.5, 0.2), strict=False):
        at = (elbow + share * (wrist - elbow)).round().astype(int).tolist()
        cv2.circle(frame, at, 4, (255, 255, 255), -1)
    forearm = NUMBER_OF["left_forearm"]
    patch = appearance_of(*[posed()] * 8, frames=frames).patches[0][forearm]
    x, y = ((elbow + wrist) / 2).round().astype(int) - patch.corner
    expected = COLORS[forearm] if num_spotted == 1 else (255, 255, 255)
    assert patch.pixels[y, x].tolist() == pytest.approx([*expected, 255], abs=20)


def test_a_reference_is_avoided_whose_arm_is_behind_what_it_holds():
    """A ball at the elbow, in one of eight."""
    pose, frames = posed(), [painted(posed())[0] for _ in range(8)]
    x, y = pose.points[0, pose.skeleton.index("left_elbow")].round().astype(int).tolist()
    cv2.circle(frames[0], (x, y), 12, (255, 255, 255), -1)
    appearance = appearance_of(*[pose] * 8, frames=frames)
    penalties = Puppet(appearance).references.penalties
    for part in ("left_forearm", "left_upper_arm"):
        assert penalties[0, NUMBER_OF[part]] > 1 + penalties[1, NUMBER_OF[part]]
    assert penalties[0, NUMBER_OF["right_forearm"]] == penalties[1, NUMBER_OF["right_forearm"]]
