from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from motiontransfer.pose.skeleton import COCO_17, HOLISTIC
from motiontransfer.puppet.draw import canvas
from motiontransfer.puppet.draw.warping import Puppet, PuppetFollower
from tests.people import (
    COLORS,
    HEIGHT_PX,
    NUMBER_OF,
    PARTS,
    PERSON_SIZE,
    appearance_of,
    inside,
    joined,
    known_to,
    looking,
    lost,
    painted,
    person,
    posed,
    scaled,
    without,
)

WHOLE = (0, 0, PERSON_SIZE[1], PERSON_SIZE[0])
ELBOW = np.array((28, -25))


def with_forearm(degrees):
    """The left forearm turned by so much from hanging down, outward."""
    angle = np.deg2rad(degrees)
    return posed(left_wrist=tuple(ELBOW + 25 * np.array((np.sin(angle), np.cos(angle)))))


def with_part(name, about, size):
    """A part so many times as large, about one of its joints."""
    keypoints = posed()
    points = keypoints.points.copy()
    joints = [HOLISTIC.index(joint) for joint in PARTS[NUMBER_OF[name]].joints]
    center = points[:, [HOLISTIC.index(about)]]
    points[:, joints] = center + size * (points[:, joints] - center)
    return replace(keypoints, points=points)


with_hand = partial(with_part, "left_hand", "left_wrist")


ACROSS = with_forearm(-70)
REFERENCES = (with_forearm(0), with_forearm(40), ACROSS)


@pytest.fixture(scope="module")
def puppet():
    """Of three references: standing, the left forearm out by 40 degrees, and across the trunk."""
    return Puppet(appearance_of(*REFERENCES))


@pytest.fixture(scope="module")
def of_one():
    return Puppet(appearance_of(posed()))


def drawn(puppet, keypoints, *, box=WHOLE, size=None, left_out=()):
    return without(puppet.follow(keypoints), left_out).draw(0, box=box, size=size)


def apart(one, other):
    return np.abs(one.astype(int) - other)


def all_but(*names):
    return [number for name, number in NUMBER_OF.items() if name not in names]


def near_arms_and_head(masks, *, by_px=11):
    """Pixels of a trunk near arms and head, where it counts as hidden, and a guess is drawn."""
    arms = [mask for name, mask in masks.items() if name.endswith(("arm", "hand", "head"))]
    near = np.any(arms, axis=0).astype(np.uint8)
    return cv2.dilate(near, np.ones((2 * by_px + 1,) * 2, np.uint8)) > 0


def test_in_a_references_own_pose_it_is_that_reference():
    """Colors are times coverage: what is half covered shines half."""
    for keypoints in REFERENCES:
        frame, masks = painted(keypoints)
        texture = drawn(Puppet(appearance_of(keypoints)), keypoints)
        coverage = texture[..., 3:4] / 255
        person = np.any(list(masks.values()), axis=0)
        differs = apart(texture[..., :3], frame * coverage)[..., 0] * inside(person)
        assert differs[~near_arms_and_head(masks)].max() <= 2
        assert differs[near_arms_and_head(masks)].mean() < 1
        assert coverage[person].mean() > 0.95


def test_whoever_turns_away_shows_hair_and_no_face():
    """A doll whose hair is black from the forehead up."""
    keypoints = looking(0)
    frame, masks = painted(keypoints)
    (_, top), (x, y) = (keypoints.joint(joint)[0][0] for joint in ("face_forehead", "nose"))
    top = keypoints.points[0, HOLISTIC.slice("face"), 1].min()
    frame[(np.arange(len(frame))[:, None] < top) & masks["head"]] = 0
    puppet = Puppet(appearance_of(keypoints, frames=[frame]))
    place = round(y), round(x)
    facing, turned = (drawn(puppet, looking(degrees)) for degrees in (0, 180))
    assert facing[place][:3].max() > 60
    assert turned[place][:3].max() < 20
    assert (turned[..., 3] == facing[..., 3]).mean() > 0.99


def test_each_part_is_taken_from_the_reference_that_has_it_so(puppet):
    chosen = puppet.follow(joined(*REFERENCES)).chosen
    assert chosen[:, NUMBER_OF["left_forearm"]].tolist() == [0, 1, 2]
    frame, masks = painted(ACROSS)
    texture = drawn(puppet, ACROSS)
    assert apart(texture[..., :3], frame)[masks["left_forearm"]].mean() < 8


def shifted(keypoints, shift):
    return replace(keypoints, points=keypoints.points + np.float32(shift))


@given(st.integers(-40, 40), st.integers(-25, 25))
@settings(max_examples=10, deadline=None)
def test_it_moves_with_the_pose(puppet, x, y):
    keypoints = with_forearm(10)
    before, after = drawn(puppet, keypoints), drawn(puppet, shifted(keypoints, (x, y)))
    assert apart(np.roll(before, (y, x), axis=(0, 1)), after).max() <= 3


def test_half_a_pixel_aside_stripes_of_two_pixels_keep_their_contrast():
    """Interpolation between the two nearest pixels would leave cos(pi / 4) = .71 of it."""
    keypoints = posed()
    frame, masks = painted(keypoints)
    stripes = np.where(np.arange(PERSON_SIZE[1]) % 4 < 2, 160, 80).astype(np.uint8)
    inner = cv2.erode(masks["torso"].astype(np.uint8), np.ones((9, 9))) > 0
    frame[masks["torso"]] = np.broadcast_to(stripes[:, None], frame.shape)[masks["torso"]]
    puppet = Puppet(appearance_of(keypoints, frames=[frame]))
    before, after = (drawn(puppet, shifted(keypoints, (x, 0)))[..., :3] for x in (0, 0.5))
    assert after[inner].std() > 0.9 * before[inner].std()


def test_colors_pass_over_beside_a_switch_and_the_outline_stays():
    """Not of a head, whose look changes fast, and not where the next frames are unknown."""
    keypoints = posed()
    frame, masks = painted(keypoints)
    person = np.any(list(masks.values()), axis=0)[..., None]
    gray = [np.where(person, np.uint8(level), frame) for level in (100, 140)]
    puppet = Puppet(appearance_of(keypoints, keypoints, frames=gray))
    clip = puppet.follow(joined(*[keypoints] * 6))
    clip.chosen[:] = np.array([0, 0, 0, 1, 1, 1])[:, None]
    frames = [clip.draw(index, box=WHOLE) for index in range(6)]
    middle = {name: cv2.erode(masks[name].astype(np.uint8), np.ones((5, 5))) > 0 for name in masks}
    of_trunk = [np.median(frame[middle["torso"]][:, 0]) for frame in frames]
    assert of_trunk == [100, 108, 116, 124, 132, 140]
    assert [np.median(frame[middle["head"]][:, 0]) for frame in frames] == [100] * 3 + [140] * 3
    coverage = [frame[..., 3:] for frame in frames]
    assert all(np.array_equal(coverage[n], coverage[0 if n < 3 else 5]) for n in range(6))
    live = PuppetFollower(puppet).follow(joined(*[keypoints] * 6))
    live.chosen[:] = clip.chosen
    assert np.median(live.draw(2, box=WHOLE)[middle["torso"]][:, 0]) == 100


def test_it_grows_with_the_pose(of_one):
    """Pixels' centres have whole numbers: (p + 1/2) * 2 - 1/2."""
    keypoints = with_forearm(25)
    larger = replace(keypoints, points=(keypoints.points + 0.5) * 2 - 0.5)
    once = drawn(of_one, keypoints)
    twice = drawn(of_one, larger, box=(0, 0, 2 * PERSON_SIZE[1], 2 * PERSON_SIZE[0]))
    half = cv2.resize(twice, PERSON_SIZE[::-1], interpolation=cv2.INTER_AREA)
    person = once[..., 3] > 0
    assert apart(half, once)[person].mean() < 6
    assert apart(np.roll(half, 1, axis=1), once)[person].mean() > 8


@given(st.tuples(*[st.integers(-20, 280)] * 2), st.tuples(*[st.integers(1, 200)] * 2))
@example((15, 91), (124, 46))  # a forearm that bends and comes to lie just beside
@settings(max_examples=10, deadline=None)
def test_a_box_is_a_crop_of_the_frame(puppet, corner, size):
    whole = drawn(puppet, with_forearm(20), box=(-20, -20, 480, 480))
    (x, y), (width, height) = corner, size
    inside = whole[y + 20 : y + 20 + height, x + 20 : x + 20 + width]
    box = drawn(puppet, with_forearm(20), box=(x, y, x + width, y + height))
    assert box.shape == (height, width, 4)
    assert apart(box, inside).max() <= 16  # OpenCV rounds positions to 1/32 px
    assert apart(box, inside).mean() < 0.5


def test_what_the_frames_edge_cuts_keeps_its_color_there():
    """Its first column comes to lie between two, which it half covers."""
    at_edge = shifted(posed(), (-128, 0))
    puppet, alone = Puppet(appearance_of(at_edge)), all_but("torso")
    texture = drawn(puppet, shifted(at_edge, (30.5, 0)), left_out=alone)
    rows = slice(90, 115)
    assert not texture[rows, :30].any()
    assert (apart(texture[rows, 30, 3], 128) <= 2).all()
    assert apart(2 * texture[rows, 30, :3].astype(int), COLORS[NUMBER_OF["torso"]]).max() < 20


def test_nothing_is_drawn_where_nobody_was_found(puppet):
    nobody = person()
    nobody.points[:], nobody.score[:] = 0, 0
    assert not drawn(puppet, nobody).any()
    assert (puppet.follow(nobody).chosen == -1).all()


def test_a_part_whose_joints_are_missing_is_not_drawn(puppet):
    keypoints = lost(posed(), "left_wrist", [0])
    of_clip = puppet.follow(keypoints)
    missing = [name for name, number in NUMBER_OF.items() if of_clip.chosen[0, number] < 0]
    assert missing == ["left_forearm"]
    numbers = [NUMBER_OF[name] for name in missing]
    assert np.isposinf(of_clip.distances[0, numbers]).all()
    bare = drawn(puppet, posed(), left_out=numbers)
    arm = painted(posed())[1]["left_forearm"]
    assert (drawn(puppet, keypoints)[arm, 3] == bare[arm, 3]).mean() > 0.8


def test_a_part_left_out_is_not_drawn_and_the_others_are(puppet):
    _, masks = painted(posed())
    whole = drawn(puppet, posed())
    legs = [NUMBER_OF[name] for name in ("left_thigh", "left_shin")]
    bare = drawn(puppet, posed(), left_out=legs)
    assert bare[masks["left_shin"], 3].mean() < 0.2 * 255 < whole[masks["left_shin"], 3].mean()
    others = masks["head"] | masks["right_shin"] | masks["left_forearm"]
    assert (bare == whole)[others].all()


def test_a_nearer_part_lies_over_a_farther_one(of_one):
    """Both from a frame in which the forearm hangs beside the body."""
    texture = drawn(of_one, ACROSS)
    middle = ACROSS.points[0, [13, 15]].mean(axis=0).round().astype(int)
    assert painted(ACROSS)[1]["torso"].any()
    x, y = middle
    colors = {name: apart(texture[y, x, :3], COLORS[NUMBER_OF[name]]).max() for name in NUMBER_OF}
    assert min(colors, key=colors.get) == "left_forearm"
    assert texture[y, x, 3] == 255
    bare = drawn(of_one, ACROSS, left_out=[NUMBER_OF["left_forearm"]])[y, x, :3]
    assert apart(bare, COLORS[NUMBER_OF["torso"]]).max() <= 20


def test_a_reference_is_kept_while_another_is_hardly_nearer_and_the_part_is_there(puppet):
    """Turned from 0 to 40 degrees and back; each is taken over beyond the middle.

    Found again at 20.5, it comes from where the upper arm does: the other is hardly nearer.
    """
    forearm, unlike = NUMBER_OF["left_forearm"], looks_unlike(puppet, levels=10)
    clip = joined(*(with_forearm(degrees) for degrees in (0, 19.5, 20.5, 40, 20.5, 19.5, 0)))
    assert PuppetFollower(unlike).follow(clip).chosen[:, forearm].tolist() == [0, 0, 0, 1, 1, 1, 0]
    clip = lost(clip, "left_wrist", [1])
    assert PuppetFollower(unlike).follow(clip).chosen[:4, forearm].tolist() == [0, -1, 0, 1]


def looks_unlike(puppet, *, levels):
    """The same with references between which each part differs by so many levels."""
    differences = np.full_like(puppet.appearance.differences, levels)
    return Puppet(replace(puppet.appearance, differences=differences))


@pytest.mark.parametrize(
    ("part", "about", "smallest"), [("left_hand", "left_wrist", 0.4), ("head", "nose", 0.8)]
)
def test_head_and_hands_change_their_reference_sooner(part, about, smallest):
    """A hand opens from 0.4 of its size to all of it, and closes; at 0.7 both are as near."""
    of_size = partial(with_part, part, about)
    opening = looks_unlike(Puppet(appearance_of(*map(of_size, (smallest, 1)))), levels=10)
    shares = np.array([0, 0.31, 0.36, 0.6, 0.29, 0.24, 0]) / 0.6
    sizes = smallest + shares * (1 - smallest)
    chosen = PuppetFollower(opening).follow(joined(*map(of_size, sizes))).chosen
    assert chosen[:, NUMBER_OF[part]].tolist() == [0, 0, 1, 1, 1, 0, 0]


@given(st.lists(st.integers(-80, 80), min_size=1, max_size=7), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_frames_may_arrive_one_by_one_or_in_batches_and_the_future_changes_nothing(
    puppet, angles, size
):
    keypoints = joined(*map(with_forearm, angles))
    whole = PuppetFollower(puppet).follow(keypoints)
    follower = PuppetFollower(puppet)
    batches = [
        follower.follow(keypoints.part(range(len(angles))[of]))
        for of in (slice(start, start + size) for start in range(0, len(angles), size))
    ]
    for name in ("chosen", "distances", "scales"):
        in_batches = np.concatenate([getattr(batch, name) for batch in batches])
        assert np.array_equal(in_batches, getattr(whole, name)), name


def test_in_a_whole_clip_a_switch_that_does_not_last_is_not_made(puppet):
    """As they arrive, the forearm's reference is changed for one frame of six."""
    clip = joined(*(with_forearm(degrees) for degrees in (0, 0, 26, 0, 0, 0)))
    forearm = NUMBER_OF["left_forearm"]
    assert PuppetFollower(puppet).follow(clip).chosen[:, forearm].tolist() == [0, 0, 1, 0, 0, 0]
    assert puppet.follow(clip).chosen[:, forearm].tolist() == [0] * 6


@pytest.mark.parametrize(
    "follow", [Puppet.follow, lambda puppet, clip: PuppetFollower(puppet).follow(clip)]
)
def test_references_nearer_than_a_distance_are_left_out(puppet, follow):
    clip, least = joined(*REFERENCES), 1.0
    nearest = follow(puppet, clip).distances
    distances = follow(puppet.beyond(least), clip).distances
    assert (nearest[:, 0] < least).all()
    assert (distances >= least).all()
    assert np.isfinite(distances).any()
    assert puppet.least_distance == 0


def test_a_reference_that_shows_less_of_a_part_is_not_asked_for_it():
    """In the one, the left arm is beyond the frame's edge."""
    at_edge = shifted(posed(), (PERSON_SIZE[1] - posed().joint("left_shoulder")[0][0, 0], 0))
    chosen = Puppet(appearance_of(at_edge, posed())).follow(posed()).chosen[0]
    assert chosen[NUMBER_OF["left_upper_arm"]] == chosen[NUMBER_OF["torso"]] == 1
    assert chosen[NUMBER_OF["right_forearm"]] == 1  # as good as the other, and seamless


def test_a_fist_hides_nothing():
    """It shows a third of what an open hand shows, and all of itself."""
    hands = Puppet(appearance_of(*(with_hand(size) for size in (1, 0.4, 1, 1, 1))))
    hand, fist = NUMBER_OF["left_hand"], hands.follow(with_hand(0.4))
    assert fist.chosen[0, hand] == 1
    assert fist.distances[0, hand] == pytest.approx(0, abs=0.2)


def test_a_rotated_head_is_more_alike_than_one_of_another_shape():
    """A rigid part is rotated when it is carried; a turned head is narrower.

    A fifth of a head's distance is measured without that.
    """
    keypoints = posed()
    puppet = Puppet(appearance_of(keypoints))
    of_head = puppet.parts[NUMBER_OF["head"]].joints
    joints = [HOLISTIC.index(joint) for joint in of_head]
    points = keypoints.points[0, joints]
    middle = points.mean(axis=0)
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = []
    for linear in (turn, np.diag([0.5, 1])):
        other = replace(keypoints, points=keypoints.points.copy())
        other.points[0, joints] = middle + (points - middle) @ linear.T
        moved.append(float(puppet.follow(other).distances[0, NUMBER_OF["head"]]))
    rotated, narrow = moved
    plain = np.linalg.norm((points - middle) @ (turn - np.eye(2)).T, axis=1)
    expected = np.sqrt(0.2 * np.square(plain).mean()) / HEIGHT_PX * 100
    assert rotated == pytest.approx(expected, rel=0.02)
    assert rotated < narrow


def larger(factor):
    return scaled(posed(), factor, np.full(2, 128 * (1 - factor), np.float32))


def puppet_of_sizes(*factors):
    frames = [painted(larger(factor), thickness=0.9 * factor)[0] for factor in factors]
    return Puppet(appearance_of(*map(larger, factors), frames=frames))


def test_how_alike_a_part_is_does_not_depend_on_the_persons_size():
    of_clip = puppet_of_sizes(1).follow(joined(*map(larger, (0.8, 1, 1.25))))
    assert (of_clip.distances[1] < 1e-6).all()
    assert of_clip.distances.max() < 1


def test_a_larger_reference_is_sharper_than_a_smaller_one():
    """By a fifth; and the smaller one shows as much, though on fewer pixels."""
    of_clip = puppet_of_sizes(1 / 1.2, 1.2).follow(larger(1))
    assert (of_clip.chosen == 1).mean() > 0.7  # some hide a pixel more
    small = puppet_of_sizes(1 / 1.2, 1.2, 1.2, 1.2)
    assert small.references.penalties[0].max() < 2.0  # as if it were wholly blurred
    assert small.follow(larger(1 / 1.2)).distances.max() < 0.5


def test_the_distance_is_that_of_joints_in_percent_of_the_height():
    """Half the forearm is turned by 60 degrees, 25 px; so much is the upper arm less alike too."""
    distances = Puppet(appearance_of(with_forearm(0))).follow(with_forearm(60)).distances
    for part in ("left_forearm", "left_upper_arm"):
        assert distances[0, NUMBER_OF[part]] == pytest.approx(12.5 / HEIGHT_PX * 100, rel=0.02)


def test_an_upper_arm_whose_forearm_was_not_found_is_less_alike():
    handless = lost(lost(posed(), "left_wrist", [0]), "right_wrist", [0])
    for reference, pose in ((handless, posed()), (posed(), handless)):
        distances = Puppet(appearance_of(reference)).follow(pose).distances[0]
        assert distances[NUMBER_OF["left_upper_arm"]] == pytest.approx(3, abs=0.2)
        assert distances[NUMBER_OF["left_thigh"]] < 0.2


def test_a_reference_with_all_of_a_parts_joints_is_preferred():
    """Of two that show as much of it."""
    appearance = appearance_of(lost(posed(), "left_hand", [0]), posed())
    alike = replace(appearance, patches=[appearance.patches[1]] * 2)
    chosen = Puppet(alike).follow(posed()).chosen[0]
    assert chosen[NUMBER_OF["left_hand"]] == 1
    assert chosen[NUMBER_OF["right_hand"]] == 0


@pytest.mark.parametrize("far", [1e7, 1e19, -1e30])
def test_a_joint_far_away_draws_nothing_there_and_in_a_reference_costs_that_part_only(puppet, far):
    keypoints = posed()
    keypoints.points[0, HOLISTIC.index("left_wrist")] = far
    right = np.s_[:, : PERSON_SIZE[1] // 2]
    assert apart(drawn(puppet, keypoints)[right], drawn(puppet, posed())[right]).mean() < 5
    appearance = appearance_of(posed(), ACROSS)
    points = appearance.points.copy()
    points[0, HOLISTIC.index("left_wrist")] = far
    clip = Puppet(replace(appearance, points=points)).follow(posed())
    assert clip.chosen[0, NUMBER_OF["left_hand"]] == 1
    assert clip.chosen[0, NUMBER_OF["left_forearm"]] == 4  # the right one of the first, mirrored
    for part in ("torso", "right_hand"):
        assert clip.distances[0, NUMBER_OF[part]] == pytest.approx(0, abs=0.1)


ZOOM = 3


SIZE_OF_LARGE = (ZOOM * PERSON_SIZE[0], ZOOM * PERSON_SIZE[1])


def enlarged(keypoints):
    return scaled(keypoints, ZOOM, np.full(2, (ZOOM - 1) / 2), size=SIZE_OF_LARGE)


@pytest.fixture(scope="module")
def large_of_one():
    """Of a reference with three times the pixels of the image whose poses it is given."""
    return Puppet(appearance_of(enlarged(ACROSS)), PERSON_SIZE)


def test_a_larger_texture_has_the_pixels_of_the_references(large_of_one):
    frame, masks = painted(enlarged(ACROSS))
    texture = drawn(large_of_one, ACROSS, size=SIZE_OF_LARGE)
    coverage = texture[..., 3:4] / 255
    person = inside(np.any(list(masks.values()), axis=0), by_px=3 * ZOOM)
    differs = apart(texture[..., :3], frame * coverage)[..., 0] * person
    near = near_arms_and_head(masks, by_px=11 * ZOOM)
    assert differs[~near].max() <= 2
    assert differs[near].mean() < 1
    assert texture[..., 3].mean() > 10
    box = (30, 20, 90, 120)
    part = drawn(large_of_one, ACROSS, box=box, size=(ZOOM * 100, ZOOM * 60))
    assert apart(part, texture[ZOOM * 20 : ZOOM * 120, ZOOM * 30 : ZOOM * 90]).max() <= 1


@pytest.mark.parametrize("by", [2, ZOOM, 6])
def test_a_texture_smaller_than_the_references_has_nearly_the_mean_of_each_area(
    monkeypatch, large_of_one, by
):
    """At a third, 4 levels off; patches that are sampled as they are, 10.

    That is before the outline of a large person is made firm.
    """
    monkeypatch.setattr(canvas, "_make_firm", lambda person, *, height_px: None)
    texture = drawn(large_of_one, ACROSS, size=SIZE_OF_LARGE)
    height, width = (side // by for side in SIZE_OF_LARGE)
    small = drawn(large_of_one, ACROSS, size=(height, width))
    means = texture.reshape(height, by, width, by, 4).mean(axis=(1, 3))
    assert apart(small, means)[small[..., 3] > 0].mean(axis=0).max() < 7


def test_a_puppet_and_a_pose_of_different_detectors_share_the_parts_that_both_know(of_one):
    body = known_to(COCO_17, posed())
    frames = [painted(posed())[0]]
    for puppet, keypoints in (
        (of_one, body),
        (Puppet(appearance_of(body, frames=frames)), posed()),
        (Puppet(appearance_of(body, frames=frames)), body),
    ):
        clip = puppet.follow(keypoints)
        drawn_parts = {name for name, number in NUMBER_OF.items() if clip.chosen[0, number] >= 0}
        lacking = {f"{side}_{part}" for side in ("left", "right") for part in ("hand", "foot")}
        assert drawn_parts == set(NUMBER_OF) - lacking
        head = clip.draw(0, box=(108, 40, 148, 70))
        assert (head[12:32, 15:25, 3] > 200).all()


def test_the_neck_comes_from_where_the_head_does():
    tilted = posed()
    head = [HOLISTIC.index(joint) for joint in PARTS[NUMBER_OF["head"]].joints]
    center = posed().points[0, head].mean(axis=0)
    turn = np.array([(0.8, 0.6), (-0.6, 0.8)], np.float32)
    tilted.points[0, head] = (tilted.points[0, head] - center) @ turn + center
    clip = Puppet(appearance_of(posed(), tilted)).follow(tilted)
    assert clip.chosen[0, NUMBER_OF["head"]] == clip.chosen[0, NUMBER_OF["neck"]] == 1
