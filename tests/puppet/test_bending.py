import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.bending import Bend, DrawnBox, Placement, sampling_grid
from motiontransfer.puppet.parts import BodyPoses, meeting_joints
from motiontransfer.puppet.warping import Puppet
from tests.people import HEIGHT_PX, NUMBER_OF, PARTS, PERSON_SIZE, appearance_of, painted, posed

JOINT = 100 + 100j
RADIUS = 10.0
SIDES = ("left", "right")
HEAD = [
    number
    for number, joint in enumerate(HOLISTIC.joints)
    if any(part in joint for part in ("nose", "ear", "eye", "mouth", "face"))
]


def limb_bend(degrees, *, size=1.0, joint=JOINT):
    """Below the joint is the other part, which the pose turns by so much around it."""
    cosine, sine = (size * function(math.radians(degrees)) for function in (math.cos, math.sin))
    linear = np.array([(cosine, -sine), (sine, cosine)])
    at = np.array([joint.real, joint.imag])
    other = np.column_stack([linear, at - linear @ at])
    half = math.radians(90 - degrees / 2)  # between the directions to both sides
    across = complex(math.cos(half), math.sin(half))
    own = np.eye(2, 3)
    return Bend(joint=joint, across=across, radius=RADIUS, own=own, neighbor=other)


def place(bend, x, y):
    """Where the reference shows a pixel."""
    pixel = np.array([[x + 1j * y]], np.complex64)
    return complex(bend.shift(pixel, bend.weight(pixel))[0, 0]) + complex(*bend.own @ (x, y, 1))


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_what_is_so_far_from_the_joint_in_the_pose_is_so_far_in_the_reference(degrees):
    """The mean of places would be nearer: at 60 degrees by 13 %, the cosine of half of it."""
    bend = limb_bend(degrees)
    for angle in range(0, 360, 15):
        pixel = JOINT + 9 * np.exp(1j * math.radians(angle))
        assert abs(place(bend, pixel.real, pixel.imag) - JOINT) == pytest.approx(9, rel=1e-3)


def test_places_of_a_box_are_interpolated():
    """To a tenth of a radius, on a grid of half of one."""
    bend = limb_bend(60)
    places, _ = sampling_grid([bend], corner=(80, 90), size=(37, 29), patch_size=(999, 999))
    for x, y in ((80, 90), (93, 101), (100, 104), (111, 97), (116, 118)):
        assert complex(*places[y - 90, x - 80].tolist()) == pytest.approx(place(bend, x, y), abs=1)


def test_places_in_a_smaller_reference_are_counted_from_where_it_begins():
    bend = limb_bend(60)
    box = {"corner": (80, 90), "size": (37, 29), "patch_size": (999, 999)}
    smaller, _ = sampling_grid([bend], **box, origin=70 + 60j, shrink=4.0)
    whole, _ = sampling_grid([bend], **box)
    assert smaller == pytest.approx((whole - (70, 60)) / 4, abs=1e-4)


@pytest.mark.parametrize("origin", [70 + 60j, 99 + 98j, 114 + 110j])
def test_sides_of_a_box_that_lie_beside_the_patch_are_left_out(origin):
    bend, height, width = limb_bend(60), 20, 16
    box = {"corner": (80, 90), "size": (57, 49), "origin": origin}
    full = np.full((49, 57, 2), -9.0)  # places that nothing of a patch is at
    places, (x, y) = sampling_grid([bend], **box, patch_size=(height, width))
    full[y : y + places.shape[0], x : x + places.shape[1]] = places
    whole, first = sampling_grid(
        [bend], **{**box, "origin": origin - 500 - 500j}, patch_size=(999, 999)
    )
    assert (whole.shape, first) == ((49, 57, 2), (0, 0))
    whole = whole - 500
    is_in = np.all((whole > -1) & (whole < (width, height)), axis=2)
    assert full[is_in] == pytest.approx(whole[is_in], abs=1e-3)
    assert is_in.sum() < places.size / 2 < 49 * 57


def test_half_the_way_across_it_is_turned_by_half_of_the_angle_and_beyond_by_all():
    bend = limb_bend(40)
    middle = JOINT + 9 * bend.across * 1j  # as far from one part as from the other
    there = place(bend, middle.real, middle.imag)
    assert np.angle((there - JOINT) / (middle - JOINT), deg=True) == pytest.approx(20, abs=0.1)
    assert place(bend, 100, 80) == pytest.approx(100 + 80j, abs=1e-3)
    beyond = (place(bend, 100, 115) - JOINT) / 15j
    assert np.angle(beyond, deg=True) == pytest.approx(40, abs=0.1)
    assert place(bend, 100, 145) == pytest.approx(100 + 145j, abs=1e-3)  # too far from the joint


def test_a_trunk_that_is_narrowed_stays_so_where_a_limb_begins():
    """A map of half the width would else be mixed with one of the whole: the hips would flare."""
    linear = np.diag([2.0, 1.0])  # to the reference, in which the trunk is twice as wide
    own = np.column_stack([linear, (100, 100) - linear @ (100, 100)])
    bend = replace(limb_bend(40), own=own)
    bend = bend.of_own_size()
    assert bend.turn == pytest.approx(math.radians(40))
    beyond = place(bend, 112, 115) - JOINT
    turned = (2 * 12 + 15j) * np.exp(1j * bend.turn)
    assert beyond == pytest.approx(turned, abs=1e-3)
    assert place(bend, 100, 100) == pytest.approx(JOINT, abs=1e-3)


def test_opposite_turns_around_one_place_leave_the_width():
    """Each has half of the way: 20 of its 40 degrees; both whole ways would leave 53 % of it."""
    bends = [limb_bend(40), limb_bend(-40)]
    places, _ = sampling_grid(bends, corner=(80, 90), size=(40, 40), patch_size=(999, 999))
    for x, y in ((97, 115), (100, 112), (103, 115)):
        there = complex(*places[y - 90, x - 80].tolist()) - JOINT
        expected = (2 * math.cos(math.radians(20)) - 1) * (complex(x, y) - JOINT)
        assert there == pytest.approx(expected, abs=0.6)


def test_of_two_bends_each_has_most_at_its_own_joint():
    near, far = limb_bend(40), limb_bend(-40, joint=JOINT + 30)
    places, _ = sampling_grid([near, far], corner=(80, 90), size=(40, 40), patch_size=(999, 999))
    assert complex(*places[15, 20].tolist()) == pytest.approx(place(near, 100, 105), abs=1)


def test_what_turns_too_far_does_not_bend():
    assert limb_bend(109).is_seen
    assert not limb_bend(111).is_seen
    assert not limb_bend(0).is_seen
    assert limb_bend(0, size=1.06).is_seen
    half = limb_bend(90)
    assert np.angle((place(half, 100, 115) - JOINT) / 15j, deg=True) == pytest.approx(45, abs=0.1)


def bent_leg(degrees):
    """The left shin turned outward by so much at the knee."""
    knee, length = np.array((14, 35)), 35
    angle = math.radians(degrees)
    along = np.array((math.sin(angle), math.cos(angle)))
    ankle = knee + length * along
    places = {"ankle": ankle, "heel": ankle + 4 * along, "foot_index": ankle + 6 * along}
    return posed(**{f"left_{name}": tuple(at) for name, at in places.items()})


def covered(puppet, keypoints, *names):
    others = [number for name, number in NUMBER_OF.items() if name not in names]
    box = (0, 0, PERSON_SIZE[1], PERSON_SIZE[0])
    return puppet.follow(keypoints).draw(0, box=box, without=others)[..., 3] / 255


@pytest.mark.parametrize("degrees", [30, 60])
def test_a_knee_keeps_its_width(degrees):
    """Measured along the bisector of the bent knee, of one frame in which it is straight."""
    puppet = Puppet(appearance_of(bent_leg(0)))
    widths = []
    for pose in (bent_leg(0), bent_leg(degrees)):
        coverage = covered(puppet, pose, "left_thigh", "left_shin")
        (hip,), (knee,), (ankle,) = (
            pose.joint(f"left_{joint}")[0] for joint in ("hip", "knee", "ankle")
        )
        ahead = (ankle - knee) / np.linalg.norm(ankle - knee)
        ahead = ahead + (knee - hip) / np.linalg.norm(knee - hip)
        side = np.array((-ahead[1], ahead[0])) / np.linalg.norm(ahead)
        steps = np.arange(-20, 20, 0.25)[:, None]
        x, y = (knee + steps * side).astype(np.float32).T
        widths.append(float(cv2.remap(coverage, x, y, cv2.INTER_LINEAR).sum()) / 4)
    straight, bent = widths
    assert bent == pytest.approx(straight, rel=0.08)


def test_a_thighs_end_goes_with_the_shin():
    """What lies below the knee in the reference lies along the shin, not straight on."""
    puppet = Puppet(appearance_of(bent_leg(0)))
    pose = bent_leg(60)
    thigh = covered(puppet, pose, "left_thigh")
    (knee,), (ankle,) = (pose.joint(f"left_{joint}")[0] for joint in ("knee", "ankle"))
    radius = PARTS[NUMBER_OF["left_thigh"]].radius * HEIGHT_PX
    along = (ankle - knee) / np.linalg.norm(ankle - knee)
    x, y = (knee + 0.8 * radius * along).round().astype(int)
    assert thigh[y, x] > 0.9
    x, y = (knee + np.array((0, 1.1 * radius))).round().astype(int)
    assert thigh[y, x] < 0.1


def placement(pose, *references, chosen=-1):
    """Of a pose, with all parts from a reference; -1: none is drawn."""
    poses = BodyPoses(HOLISTIC, pose.points, pose.score)
    poses_of = [BodyPoses(HOLISTIC, found.points, found.score) for found in references]
    return Placement(
        PARTS,
        meeting_joints(PARTS),
        poses_of[0],
        poses,
        chosen=[chosen] * len(PARTS),
        growth=np.full(1, 1.0),
        height_px=HEIGHT_PX,
        drawn=DrawnBox(corner=np.zeros(2), rate=np.ones(2)),
    )


@pytest.mark.parametrize("part", ["torso", "left_thigh", "right_upper_arm"])
def test_in_profile_torso_and_limbs_stay_where_they_are(part):
    """The torso is kept wider than its joints: moved to where these are, it would be crossed."""
    profile = posed()
    middle = profile.points[0, HOLISTIC.index("left_hip"), 0] - 12
    trunk = [HOLISTIC.index(f"{side}_{name}") for side in SIDES for name in ("shoulder", "hip")]
    profile.points[0, trunk, 0] = middle
    bends = placement(profile, posed()).bends(NUMBER_OF[part], 0)
    assert bends
    for bend in bends:
        joint = (bend.joint.real, bend.joint.imag, 1)
        assert math.dist(bend.own @ joint, bend.neighbor @ joint) < 0.65 * bend.radius


def test_a_shin_ends_at_its_ankle_where_the_foot_has_it_elsewhere():
    """Heel and toes 12 px aside: mapped by all three joints, the foot has the ankle there too."""
    pose = posed()
    for joint in ("left_heel", "left_foot_index"):
        pose.points[0, HOLISTIC.index(joint), 0] += 12
    bends = placement(pose, posed()).bends(NUMBER_OF["left_shin"], 0)
    apart = []
    for bend in bends:
        joint = (bend.joint.real, bend.joint.imag, 1)
        apart.append(math.dist(bend.own @ joint, bend.neighbor @ joint) / bend.radius)
    assert 0.4 < max(apart) < 0.65


@pytest.mark.parametrize(("off", "left"), [(1.2, 1.2), (2.25, 1.6875), (4.5, 2.25), (9, 4.5)])
def test_a_head_that_looks_elsewhere_stays_above_the_neck(off, left):
    """Up to 1 % of the height, 1.5 px, the joints of the face decide; from 2 % on the ears as much.

    They are a few of the joints that are fitted, which makes them nearer by 4 %.
    """
    pose = posed()
    ears = [HOLISTIC.index(f"{side}_ear") for side in SIDES]
    before = pose.points[0, ears].mean(axis=0)
    pose.points[0, ears, 0] += np.float32(off)
    matrix = placement(pose, posed()).map_of(NUMBER_OF["head"], 0)
    after = matrix @ np.append(pose.points[0, ears].mean(axis=0), 1)
    assert math.dist(after, before) == pytest.approx(left, rel=0.05, abs=0.1)


@pytest.mark.parametrize(("off", "chosen", "left"), [(4, 0, 3.4), (30, 0, 4.8), (30, -1, 25.7)])
def test_a_hand_is_at_most_its_width_from_its_forearm(off, chosen, left):
    """3.2 % of the height; the fit to the hand's joints, found aside, is nearer by the wrist."""
    pose, hand = posed(), PARTS[NUMBER_OF["left_hand"]]
    joints = [HOLISTIC.index(joint) for joint in hand.joints]
    pose.points[0, joints, 0] += np.float32(off)
    pose.points[0, HOLISTIC.index("left_wrist"), 0] -= np.float32(off)
    matrix = placement(pose, posed(), chosen=chosen).map_of(NUMBER_OF["left_hand"], 0)
    wrist = posed().joint("left_wrist")[0][0]
    drawn = cv2.invertAffineTransform(matrix) @ np.append(wrist, 1)
    assert math.dist(drawn, wrist) == pytest.approx(left, rel=0.02)


def test_the_neck_comes_from_where_the_head_does():
    tilted = posed()
    center = posed().points[0, HEAD].mean(axis=0)
    turn = np.array([(0.8, 0.6), (-0.6, 0.8)], np.float32)
    tilted.points[0, HEAD] = (tilted.points[0, HEAD] - center) @ turn + center
    frames = [painted(pose)[0] for pose in (posed(), tilted)]
    clip = Puppet(appearance_of(posed(), tilted, frames=frames)).follow(tilted)
    assert clip.chosen[0, NUMBER_OF["head"]] == clip.chosen[0, NUMBER_OF["neck"]] == 1
