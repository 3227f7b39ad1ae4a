import math

import cv2
import numpy as np
import pytest

from motiontransfer.puppet.draw.bending import Bend, bends_of, places_in_reference, sampling_grid
from motiontransfer.puppet.draw.warping import Puppet
from tests.people import HEIGHT_PX, NUMBER_OF, PARTS, PERSON_SIZE, appearance_of, posed, without
from tests.puppet.test_part_maps import placement

JOINT = 100 + 100j
RADIUS = 10.0
SAME = np.eye(2, 3)


def limb_bend(degrees, *, joint=JOINT):
    """Below the joint is the other part, which the pose turns by so much around it."""
    half = math.radians(90 - degrees / 2)  # between the directions to both sides
    across = complex(math.cos(half), math.sin(half))
    return Bend(joint=joint, across=across, radius=RADIUS, turn=math.radians(degrees))


def place(x, y, *bends, own=SAME):
    """Where the reference shows a pixel."""
    pixel = np.array([[x + 1j * y]], np.complex64)
    return complex(places_in_reference(own, bends, pixel)[0, 0])


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_what_is_so_far_from_the_joint_in_the_pose_is_so_far_in_the_reference(degrees):
    """The mean of places would be nearer: at 60 degrees by 13 %, the cosine of half of it."""
    for angle in range(0, 360, 15):
        pixel = JOINT + 9 * np.exp(1j * math.radians(angle))
        there = place(pixel.real, pixel.imag, limb_bend(degrees))
        assert abs(there - JOINT) == pytest.approx(9, rel=1e-3)


def test_places_of_a_box_are_interpolated():
    """To a tenth of a radius, on a grid of half of one."""
    box = {"corner": (80, 90), "size": (37, 29)}
    places, first = sampling_grid(SAME, [limb_bend(60)], **box, patch=(200, 200))
    assert places.shape == (29, 37, 2)
    assert first == (80, 90)
    for x, y in ((80, 90), (93, 101), (100, 104), (111, 97), (116, 118)):
        there = complex(*places[y - 90, x - 80].tolist())
        assert there == pytest.approx(place(x, y, limb_bend(60)), abs=1)


def test_a_grid_leaves_out_what_is_far_from_the_patch():
    box = {"corner": (50, 60), "size": (230, 210)}
    whole, (x, y) = sampling_grid(SAME, [limb_bend(60)], **box, patch=(400, 400))
    near, (left, top) = sampling_grid(SAME, [limb_bend(60)], **box, patch=(120, 110))
    assert 0 < near.size < whole.size / 2
    inside = np.zeros(whole.shape[:2], bool)
    inside[top - y : top - y + len(near), left - x : left - x + near.shape[1]] = True
    np.testing.assert_array_equal(near.reshape(-1, 2), whole[inside])
    assert (whole[~inside] >= (120, 110)).any(axis=1).all()
    nothing, _ = sampling_grid(SAME, [limb_bend(60)], **box, patch=(20, 20))
    assert not nothing.size


def test_half_the_way_across_it_is_turned_by_half_of_the_angle_and_beyond_by_all():
    bend = limb_bend(40)
    middle = JOINT + 9 * bend.across * 1j  # as far from one part as from the other
    there = place(middle.real, middle.imag, bend)
    assert np.angle((there - JOINT) / (middle - JOINT), deg=True) == pytest.approx(20, abs=0.1)
    assert place(100, 80, bend) == pytest.approx(100 + 80j, abs=1e-3)
    beyond = (place(100, 115, bend) - JOINT) / 15j
    assert np.angle(beyond, deg=True) == pytest.approx(40, abs=0.1)
    assert place(100, 145, bend) == pytest.approx(100 + 145j, abs=1e-3)  # too far from the joint


def test_a_trunk_that_is_narrowed_stays_so_where_a_limb_begins():
    """Half as wide as in the reference: with the limb's own width the hips would flare."""
    linear = np.diag([2.0, 1.0])
    own = np.column_stack([linear, (100, 100) - linear @ (100, 100)])
    beyond = place(112, 115, limb_bend(40), own=own) - JOINT
    assert beyond == pytest.approx((2 * 12 + 15j) * np.exp(1j * math.radians(40)), abs=1e-3)


def test_opposite_turns_around_one_place_leave_the_width():
    """Each has half of the way: 20 of its 40 degrees; both whole ways would leave 53 % of it."""
    for x, y in ((97, 115), (100, 112), (103, 115)):
        there = place(x, y, limb_bend(40), limb_bend(-40)) - JOINT
        expected = (2 * math.cos(math.radians(20)) - 1) * (complex(x, y) - JOINT)
        assert there == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("degrees", "turned"), [(73, 73), (91.7, 45.8), (110, 0)])
def test_what_turns_too_far_bends_less(degrees, turned):
    beyond = (place(100, 115, limb_bend(degrees)) - JOINT) / 15j
    assert np.angle(beyond, deg=True) == pytest.approx(turned, abs=0.3)


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
    return without(puppet.follow(keypoints), others).draw(0, box=box)[..., 3] / 255


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


@pytest.mark.parametrize(("opened", "most"), [(70, 1), (44, 0.498), (28, 0)])
def test_a_folded_knee_does_not_bend(opened, most):
    """By 40 degrees more than in the reference: opened by less than 60, less of them.

    The line between thigh and shin would run along both, and curl them to rings.
    """
    aslant = 3.3  # of the thigh
    pose, reference = (bent_leg(180 + aslant - angle) for angle in (opened, opened + 40))
    meets = [(NUMBER_OF["left_shin"], "left_knee")]
    bends = bends_of(placement(pose, reference), meets, NUMBER_OF["left_thigh"], 0)
    assert sum(bend.most for bend in bends) == pytest.approx(most, abs=0.01)
