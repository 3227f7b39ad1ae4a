from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses, joined_parts
from motiontransfer.pose.skeleton import HOLISTIC, mirrored
from motiontransfer.puppet.draw.choice import ChoiceConfig
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.cutting import encode_patch
from tests.people import (
    HEIGHT_PX,
    NUMBER_OF,
    PARTS,
    PERSON_SIZE,
    appearance_of,
    both_sides,
    from_behind,
    joined,
    looking,
    lost,
    posed,
    rotated,
    without,
)

LEANING = posed(
    left_elbow=(40, -60), left_wrist=(60, -75), left_knee=(25, 35), left_shoulder=(18, -58)
)
"""The left arm up, the left knee out, and that shoulder higher."""


def test_limbs_are_joined_to_the_trunk_and_head_and_hands_are_free():
    roots = {"neck": "torso"}
    for side in ("left", "right"):
        roots |= {f"{side}_thigh": "torso", f"{side}_upper_arm": "torso"}
        for part, root in (("foot", "shin"), ("shin", "thigh"), ("forearm", "upper_arm")):
            roots[f"{side}_{part}"] = f"{side}_{root}"
    assert {PARTS[part].name: PARTS[root].name for part, root in joined_parts(PARTS)} == roots
    order = [part for part, _ in joined_parts(PARTS)]
    for part, root in joined_parts(PARTS):
        assert root == NUMBER_OF["torso"] or order.index(root) > order.index(part)


def in_mirror(keypoints):
    """The same pose as a mirror shows it, in which left and right are exchanged."""
    others = [HOLISTIC.index(mirrored(joint)) for joint in HOLISTIC.joints]
    points = keypoints.points[:, others].copy()
    points[..., 0] = PERSON_SIZE[1] - 1 - points[..., 0]
    return replace(keypoints, points=points, score=keypoints.score[:, others])


def test_limbs_are_taken_from_the_other_side_where_only_that_was_filmed():
    """And nothing else is. In the mirrored pose they are the mirror image, pixel for pixel."""
    puppet = Puppet(appearance_of(LEANING))
    own, other = puppet.follow(LEANING), puppet.follow(in_mirror(LEANING))
    arm = [NUMBER_OF[f"left_{part}"] for part in ("upper_arm", "forearm")]
    opposite = [NUMBER_OF[mirrored(PARTS[number].name)] for number in arm]
    assert (own.chosen[0] == 0).all()
    assert (other.chosen[0, opposite] == 2).all()  # exchanged ones come before
    assert other.distances[0, opposite] == pytest.approx(2, abs=1e-3)
    assert (other.chosen[0, [NUMBER_OF[part] for part in ("torso", "neck", "head")]] == 0).all()
    box = 0, 0, PERSON_SIZE[1], PERSON_SIZE[0]
    drawn, mirror_image = (
        without(clip, {*range(len(PARTS))} - {*shown}).draw(0, box=box)
        for clip, shown in ((own, arm), (other, opposite))
    )
    color, of_mirror = drawn.astype(int), mirror_image[:, ::-1]
    assert color[..., 3].sum() > 255 * 200
    assert np.abs(color - of_mirror).max() <= 2


def test_a_puppet_takes_other_numbers_of_the_choice():
    puppet = Puppet(
        appearance_of(LEANING),
        choice=ChoiceConfig(mirrored={"head": 3.0, "hand": 3.0, "other": 3.0}),
    )
    clip, forearm = puppet.follow(in_mirror(LEANING)), NUMBER_OF["right_forearm"]
    assert clip.chosen[0, forearm] == 2
    assert clip.distances[0, forearm] == pytest.approx(3, abs=1e-3)


def test_a_hand_with_fingers_is_preferred_to_one_without():
    """In the pose of the one without: it lacks 21 joints of 25, each of which costs 6 / 25."""
    pose, hand = posed(), NUMBER_OF["left_hand"]
    fingerless = lost(lost(pose, "left_hand", [0]), "right_hand", [0])
    clip = Puppet(appearance_of(fingerless, rotated(pose, 140))).follow(pose)
    without, turned = clip.puppet.references.distances(clip.poses, clip.scales)[0, hand, :2]
    assert without == pytest.approx(6 * 21 / 25)
    assert 3 * 21 / 25 < turned < without
    assert clip.chosen[0, hand] == 1


@pytest.mark.parametrize("wrist", [(4, -80), (-2, -66)])
def test_a_hand_before_face_or_neck_stays_there(wrist):
    """The eyes are 76 px above the hips, the shoulders 50; a hand hangs 12 px from its wrist."""
    before, hand = posed(left_wrist=wrist), NUMBER_OF["left_hand"]
    puppet = Puppet(appearance_of(before, posed()))
    there, elsewhere = (
        puppet.references.distances(clip.poses, clip.scales)[0, hand, :2]
        for clip in map(puppet.follow, (before, posed()))
    )
    assert there == pytest.approx([0, 0], abs=0.1)
    assert elsewhere == pytest.approx([10, 0], abs=0.1)


def test_a_limbs_own_reference_is_preferred_to_the_other_sides():
    """A mirrored one costs 2 % of the body's height more."""
    puppet = Puppet(appearance_of(posed()))
    for elbow in (28, 29, 30):
        keypoints = posed(left_elbow=(elbow, -25))
        assert (puppet.follow(keypoints).chosen[0] == 0).all()


def test_the_front_stands_in_for_a_back_that_was_never_filmed():
    """The doll is symmetric, so that it is 4 % less alike and no more."""
    puppet, back = Puppet(appearance_of(posed())), from_behind(posed())
    assert (puppet.follow(posed()).chosen[0] == 0).all()
    clip = puppet.follow(back)
    for part in ("torso", "left_thigh", "right_upper_arm", "left_forearm"):
        assert clip.chosen[0, NUMBER_OF[part]] == 1, part
        assert clip.distances[0, NUMBER_OF[part]] == pytest.approx(4, abs=0.3), part


def turned(degrees):
    """A head by the body's joints: the doll's face is as round upside down."""
    return lost(looking(degrees), "face", [0])


@pytest.mark.parametrize(
    ("degrees", "chosen", "distance"), [(80, 1, 0), (-80, 5, 0.5), (20, 0, 0), (-20, 0, None)]
)
def test_a_head_in_profile_may_be_mirrored_and_none_from_the_front(degrees, chosen, distance):
    """Filmed were two that look to the right: of two references the mirrored ones are 4 and 5."""
    puppet, head = Puppet(appearance_of(turned(20), turned(80))), NUMBER_OF["head"]
    clip = puppet.follow(turned(degrees))
    assert clip.chosen[0, [head, NUMBER_OF["neck"]]].tolist() == [chosen] * 2
    if distance is not None:
        assert clip.distances[0, head] == pytest.approx(distance, abs=0.01)


def test_a_filmed_back_of_a_head_is_preferred_to_hair_over_a_face():
    """A front as the back is 4 % less alike then, and 1 % where there is no back."""
    back = lost(from_behind(looking(40)), "face", [0])  # looks half way to the side
    for filmed, chosen in (([turned(0)], 1), ([turned(0), back], 1)):
        clip = Puppet(appearance_of(*filmed)).follow(lost(from_behind(looking(0)), "face", [0]))
        assert clip.chosen[0, NUMBER_OF["head"]] == chosen
        assert (clip.hair[0] == 0) == (len(filmed) == 2)


def test_the_front_of_a_head_is_a_back_that_is_one_percent_less_alike():
    clip = Puppet(appearance_of(turned(0))).follow(lost(from_behind(looking(0)), "face", [0]))
    assert clip.chosen[0, NUMBER_OF["head"]] == 1
    assert clip.distances[0, NUMBER_OF["head"]] == pytest.approx(1, abs=0.3)


YAWS = [0, 85, 92.5, 95, 97.5, 120, 180, -170, -95, -70]


@pytest.mark.parametrize(
    ("filmed", "shares"),
    [
        (0, [0, 0, 1 / 4, 1 / 2, 3 / 4, 1, 1, -1, -1 / 2, 0]),
        (-40, [0, 0, -1 / 4, -1 / 2, -3 / 4, -1, -1, -1, -1 / 2, 0]),  # its right side is shown
        (80, [0] * 10),  # a profile
    ],
)
def test_hair_covers_a_face_as_a_head_turns_away(filmed, shares):
    clip = Puppet(appearance_of(looking(filmed))).follow(joined(*map(looking, YAWS)))
    assert np.abs(clip.hair) == pytest.approx(np.abs(shares))
    seen = [number for number, yaw in enumerate(YAWS) if abs(yaw) != 180]
    assert clip.hair[seen] == pytest.approx(np.array(shares)[seen])


def test_a_head_of_which_no_ear_was_found_has_its_face():
    clip = Puppet(appearance_of(looking(0))).follow(lost(looking(180), "left_ear", [0]))
    assert clip.hair.tolist() == [0]


@pytest.mark.parametrize(("turn", "view"), [(from_behind, 1), (lambda keypoints: keypoints, 0)])
def test_a_head_whose_joints_do_not_tell_its_side_is_seen_from_the_bodys(turn, view):
    """In profile left and right joints lie in one place, as in the filmed and the exchanged."""
    pose = lost(turn(posed()), "face", [0])
    head = [HOLISTIC.index(joint) for joint in PARTS[NUMBER_OF["head"]].joints]
    pose.points[0, head, 0] = 128
    clip = Puppet(appearance_of(posed())).follow(pose)
    assert clip.chosen[0, NUMBER_OF["head"]] == view


def test_stand_ins_are_counted_by_frame_and_by_drawn_part():
    """Two references; of four frames the second shows two parts exchanged, the third one mirrored.

    In the fourth nothing is drawn but a filmed hand.
    """
    keypoints = joined(*[posed()] * 4)
    clip = Puppet(appearance_of(posed(), posed())).follow(keypoints)
    clip.chosen[:] = 1
    clip.chosen[1, :2], clip.chosen[2, 0], clip.chosen[3, :-1] = (2, 3), 4, -1
    num_drawn = 3 * len(PARTS) + 1
    assert clip.stand_ins() == {
        "frames_with_unfilmed_side": 0.25,
        "parts_of_unfilmed_side": 2 / num_drawn,
        "parts_mirrored": 1 / num_drawn,
    }


def test_a_filmed_back_is_preferred_to_a_front():
    """Though a leg is 3 % away; seen from the front again, the front is."""
    back = from_behind(posed(left_knee=(18, 36), left_ankle=(21, 70)))
    puppet = Puppet(appearance_of(posed(), back))
    legs = [NUMBER_OF[part] for part in ("torso", "left_thigh", "right_thigh")]
    assert (puppet.follow(from_behind(posed())).chosen[0, legs] == 1).all()
    assert (puppet.follow(posed()).chosen[0, legs] == 0).all()


def test_a_part_is_less_alike_by_the_side_from_which_the_body_is_seen():
    """A foot that stands alike; of shoulders and hips half as wide the cosine differs by .6."""
    aside = posed(**both_sides({"shoulder": (10, -50), "hip": (6, 0)}))
    puppet = Puppet(appearance_of(posed()))
    foot = NUMBER_OF["left_foot"]
    distance = puppet.follow(aside).distances[0, foot]
    assert distance == pytest.approx(3 * 0.6, abs=0.4)  # its limbs are a little longer
    assert puppet.follow(posed()).distances[0, foot] == pytest.approx(0, abs=0.01)


def test_an_arm_seen_end_on_is_less_alike_than_one_as_long_in_another_direction():
    """Its other length counts twice: a forearm of 25 px and one of 15 px beside it."""
    forearm, upright = NUMBER_OF["left_forearm"], posed(left_wrist=(28, 0))
    references = Puppet(appearance_of(posed(left_wrist=(28, -10)), upright)).references
    poses = BodyPoses(upright.skeleton, upright.points, upright.score)
    distance = references.distances(poses, np.ones(1))[0, forearm]
    assert distance[1] == pytest.approx(0, abs=1e-6)
    assert distance[0] == pytest.approx(2 * 100 * 5 / HEIGHT_PX, rel=0.1)


def test_a_trunk_that_an_arm_hid_is_avoided_though_it_was_filled():
    """By 10 % of the height for all of it, also where no reference shows a whole one."""
    left = {"left_wrist": (0, -32), "left_elbow": (30, -22)}
    right = {"right_wrist": (0, -18), "right_elbow": (-30, -12)}
    hidden, torso = posed(**left, **right), NUMBER_OF["torso"]
    appearance = appearance_of(hidden, posed(), posed(), posed())
    of_hidden, of_shown = (appearance.patches[reference][torso] for reference in (0, 1))
    assert (of_hidden.pixels[..., 3] > 0).sum() > 0.97 * (of_shown.pixels[..., 3] > 0).sum()
    assert of_hidden.shown < of_shown.shown - 0.05
    hidden_by = [1 - patch.shown for patch in (of_hidden, of_shown)]
    penalties = Puppet(appearance).references.penalties[:2, torso]
    assert penalties == pytest.approx(10 * np.array(hidden_by), abs=0.01)


@pytest.mark.parametrize(("share", "hidden"), [(0.6, 0), (0.1, 1 - 0.1 / 0.9)])
def test_an_arm_that_no_reference_shows_is_compared_with_the_other_one(share, hidden):
    """In a film of somebody's right side: a tenth of it, of nine tenths that are whole."""
    appearance, forearm = appearance_of(posed(), posed()), NUMBER_OF["left_forearm"]
    shown = appearance.patches[0][NUMBER_OF["right_forearm"]].shown
    patches = [list(row) for row in appearance.patches]
    for row in patches:
        row[forearm] = replace(row[forearm], shown=share * shown)
    references = Puppet(replace(appearance, patches=patches)).references
    assert references.penalties[:2, forearm] == pytest.approx(10 * hidden, rel=0.02)
    assert references.penalties[2:4, forearm].tolist() == [0, 0]  # exchanged: of the right one


@pytest.mark.parametrize(("wrist", "least", "most"), [((4, -76), 0, 0.1), ((8, -95), 0.5, 0.8)])
def test_a_face_that_a_hand_hid_is_avoided_and_so_is_hair(wrist, least, most):
    """The mouth is 66 px above the hips, the hands' tips of the second 87, the head's end 92."""
    touching = posed(**both_sides({"elbow": (30, -70), "wrist": wrist}))
    appearance, head = appearance_of(touching, posed(), posed(), posed()), NUMBER_OF["head"]
    hidden, whole, *_ = (patches[head].shown for patches in appearance.patches)
    assert least <= hidden / whole < most
    penalties = Puppet(appearance).references.penalties[:4, head]
    assert (penalties > 1.5).tolist() == [True, False, False, False]
    assert penalties[1:].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("corner", "cut"), [((9, 9), 0), ((9, 0), 1 / 2), ((9, 248), 1), ((0, 9), 1), ((248, 9), 1 / 8)]
)
def test_a_part_is_avoided_as_far_as_the_frames_edge_cuts_it(corner, cut):
    """A head of 8 by 8 pixels, narrower at its top and its right, in one of three references."""
    coverage = np.full((8, 8), 255, np.uint8)
    coverage[:3, 4:] = coverage[3:7, 5:] = 0
    cut_head = encode_patch(corner, np.dstack([coverage] * 4))
    appearance, head = appearance_of(*[posed()] * 3), NUMBER_OF["head"]
    rows = [[*row] for row in appearance.patches]
    rows[0][head] = replace(cut_head, shown=rows[1][head].shown)
    references = Puppet(replace(appearance, patches=rows)).references
    assert references._cut_off()[:, head] == pytest.approx([cut, 0, 0])
    more = references.penalties[:3, head] - references.penalties[1, head]
    assert more == pytest.approx([10 * cut, 0, 0], abs=0.5)


def test_an_arm_that_the_frames_edge_cuts_off_in_most_references_is_not_avoided():
    forearm, cut, whole = NUMBER_OF["left_forearm"], {"left_wrist": (126, -25)}, {}
    poses = [posed(**places) for places in (cut, whole, cut, cut)]
    assert Puppet(appearance_of(*poses)).references.penalties[:4, forearm].max() < 3.5


def test_a_trunk_is_compared_by_the_upper_arms_too():
    """Raised by a right angle: half an arm's vector, 13.3 px long, moves by 18.8 px."""
    raised = posed(left_elbow=(46.4, -55), left_wrist=(71, -60))
    puppet = Puppet(appearance_of(posed()))
    before, after = (BodyPoses(HOLISTIC, k.points, k.score) for k in (posed(), raised))
    ends = [poses.joints(("left_shoulder", "left_elbow"))[0][0] for poses in (before, after)]
    moved = np.linalg.norm(np.diff(ends[0], axis=0) - np.diff(ends[1], axis=0)) / 2
    expected = np.sqrt(0.1) * moved / HEIGHT_PX * 100
    assert puppet.follow(raised).distances[0, NUMBER_OF["torso"]] == pytest.approx(
        expected, rel=0.03
    )


def test_a_limb_that_is_unlike_those_in_the_same_pose_is_avoided_by_how_much():
    """Ten references: the others differ by 10 levels, one by 15 from each, half as much again."""
    appearance = appearance_of(*[posed()] * 10)
    levels = np.full((10, 10), 10, np.uint8)
    levels[3], levels[:, 3] = 15, 15
    differences = np.tile(levels, (len(PARTS), 1, 1))
    alike, unlike = (
        Puppet(replace(appearance, differences=one)).references.penalties[:10]
        for one in (np.full_like(differences, 10), differences)
    )
    of_limb = NUMBER_OF["left_forearm"]
    assert (unlike - alike)[:, of_limb].tolist() == pytest.approx([0, 0, 0, 5, 0, 0, 0, 0, 0, 0])
    assert (unlike == alike)[:, NUMBER_OF["torso"]].all()
    unknown = replace(appearance, differences=np.full_like(differences, 255))
    assert (Puppet(unknown).references.penalties[:10] == alike).all()
