import cv2
import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.fit import silhouette as module
from motiontransfer.puppet.fit.cutting import cut_parts
from motiontransfer.puppet.fit.part_masks import part_masks
from tests.people import (
    HEIGHT_PX,
    NUMBER_OF,
    PARTS,
    PERSON_SIZE,
    appearance_of,
    both_sides,
    difference_mask,
    lost,
    moved,
    painted,
    posed,
    room,
    rotated,
    scaled,
    scene,
    silhouette_of,
)

WRIST = HOLISTIC.index("left_wrist")
EVERYWHERE = np.full(PERSON_SIZE, 255, np.uint8)
BEFORE = {"left_wrist": (5, -30), "left_elbow": (38, -20)}
"""The left forearm before the trunk."""


@pytest.fixture(scope="module")
def standing():
    return appearance_of(posed())


def whole_mask(keypoints, **how):
    """The doll's mask."""
    return difference_mask(painted(keypoints, **how)[0], room())


def divided(person, parts=PARTS, *, frame=None, not_room=0.0):
    """Distance and mask of each part by its name; without a frame, of a black one."""
    distances = module.part_distances(parts, person)
    image = np.zeros((*person.coverage.shape, 3), np.uint8)
    if frame is not None:
        image[:] = frame[person.place()]
    masks = part_masks(parts, distances, person, image, np.full_like(person.coverage, not_room))
    both = zip(parts, distances, masks, strict=True)
    return {part.name: (distance, mask) for part, distance, mask in both}


def mask_of(person, part, *, frame_size=PERSON_SIZE, **how):
    """Coverage of a part in its frame."""
    _, (place, shown, _) = divided(person, **how)[part]
    coverage = np.zeros(frame_size, np.uint8)
    coverage[place] = shown
    return coverage


def coverage_of(appearance, part, *, frame_size=PERSON_SIZE):
    """Coverage of a part where it was cut out of the first frame, 0 to 1."""
    coverage, patch = np.zeros(frame_size), appearance.patches[0][NUMBER_OF[part]]
    if patch is not None:
        (x, y), (height, width) = patch.corner, patch.size
        coverage[y : y + height, x : x + width] = patch.pixels[..., 3] / 255
    return coverage


def test_a_patch_is_as_large_as_what_is_covered():
    keypoints = posed(**BEFORE)
    person = silhouette_of(keypoints, whole_mask(keypoints))
    for cut in cut_parts(PARTS, scene(room()), person, painted(keypoints)[0], range(len(PARTS))):
        assert cut.coverage.any()
        either = cut.coverage | cut.hidden
        assert all(edge.any() for edge in (either[0], either[-1], either.T[0], either.T[-1]))


@pytest.mark.parametrize("thickness", [0.8, 1.2])
def test_all_of_the_person_and_little_else_is_covered(thickness):
    appearance = appearance_of(posed(), thickness=thickness)
    _, masks = painted(posed(), thickness=thickness)
    person = np.any(list(masks.values()), axis=0)
    covered = np.max([coverage_of(appearance, name) for name in NUMBER_OF], axis=0)
    assert covered[person].mean() > 0.94
    assert covered[~person].sum() < 0.06 * person.sum()


def test_each_part_is_covered_where_it_is_painted(standing):
    for name, mask in painted(posed())[1].items():
        coverage = coverage_of(standing, name)
        assert coverage[mask].mean() > 0.75, name
        y, x = np.argwhere(mask).mean(axis=0)
        rows, columns = np.indices(PERSON_SIZE)
        assert not coverage[np.hypot(rows - y, columns - x) > 60].any(), name


def test_what_is_nearer_hides_what_is_behind_and_what_is_farther_hides_nothing():
    """All in one color: the forearm before the trunk, and said to be behind it."""
    keypoints = posed(**BEFORE)
    person, frame = silhouette_of(keypoints, whole_mask(keypoints)), room()
    frame[difference_mask(painted(keypoints)[0], frame) > 0] = (200, 40, 40)
    arm = [NUMBER_OF[f"left_{segment}"] for segment in ("upper_arm", "forearm", "hand")]
    behind = [*arm, *(number for number in range(len(PARTS)) if number not in arm)]
    elbow, wrist = (keypoints.joint(f"left_{joint}")[0][0] for joint in ("elbow", "wrist"))
    at = (0.25 * elbow + 0.75 * wrist).round().astype(int)
    for order, covered in ((range(len(PARTS)), 0), (behind, 255)):
        trunk = cut_parts(PARTS, scene(room()), person, frame, order)[NUMBER_OF["torso"]]
        x, y = at - trunk.corner
        assert (trunk.coverage[y, x], trunk.hidden[y, x]) == (covered, 255 - covered)


def test_a_hand_hides_the_trunk_as_far_as_it_blurs_and_a_forearm_does_not():
    """Up to two of its radii; between 1.2 and two of a forearm's the trunk is seen."""
    keypoints = posed(**BEFORE)
    person = silhouette_of(keypoints, whole_mask(keypoints))
    trunk = mask_of(person, "torso")[person.place()]
    found, whole = divided(person), (0, 0, *trunk.shape[::-1])
    hand, forearm, upper_arm, own = (
        found[part][0].within(whole)
        for part in ("left_hand", "left_forearm", "left_upper_arm", "torso")
    )
    arm, torso = np.minimum(forearm, upper_arm), (own == 0) & (person.coverage == 1)
    around_hand = torso & (hand > 1.2) & (hand < 1.9)
    around_arm = torso & (arm > 1.2) & (arm < 1.9) & (hand > 3)
    assert min(around_hand.sum(), around_arm.sum()) > 50
    assert not trunk[around_hand].any()
    assert trunk[around_arm].mean() > 0.98 * 255


@pytest.mark.parametrize(("unlike", "reached"), [(0, 1.4), (0.5, 1.61), (1, 1.82)])
def test_a_part_reaches_farther_where_a_pixel_is_unlike_the_room(unlike, reached):
    """All around the arms is in the mask; their edge ends at their reach, in radii."""
    person = silhouette_of(posed(left_elbow=(60, -50), left_wrist=(90, -50)), EVERYWHERE)
    middle = mask_of(person, "left_forearm", not_room=unlike)[:, 128 + 75]
    radius_px = PARTS[NUMBER_OF["left_forearm"]].radius * HEIGHT_PX
    assert abs(np.count_nonzero(middle) / 2 - reached * radius_px) <= 1


def before_the_trunk(part, *, thickness=0.9, sleeve=None):
    """A part by radius and by color where a forearm is before the trunk, and the masks."""
    keypoints = posed(**BEFORE)
    frame, masks = painted(keypoints, thickness=thickness)
    person = silhouette_of(keypoints, whole_mask(keypoints, thickness=thickness))
    if sleeve is not None:  # so much brighter than the shirt
        frame[masks["left_forearm"]] = frame[masks["torso"]].mean(axis=0).round() + sleeve
    return *(mask_of(person, part, frame=shown) for shown in (None, frame)), masks


def test_a_limb_before_another_part_is_cut_where_their_colors_meet():
    """A forearm thinner than usual, whose radius would reach over the trunk."""
    by_radius, by_color, masks = before_the_trunk("left_forearm", thickness=0.5)
    arm, trunk = masks["left_forearm"], masks["torso"]
    assert by_radius[trunk].sum() > 255 * 50
    assert by_color[trunk].sum() < 0.2 * by_radius[trunk].sum()
    assert by_color[arm].mean() > 0.95 * by_radius[arm].mean()


def test_what_a_stout_limb_covers_is_not_shown_of_what_lies_behind():
    by_radius, by_color, masks = before_the_trunk("torso", thickness=1.2)
    arm, trunk = masks["left_forearm"] | masks["left_upper_arm"], masks["torso"]
    assert by_radius[arm].sum() > 255 * 200
    assert by_color[arm].sum() < 0.5 * by_radius[arm].sum()
    assert by_color[trunk].mean() > 0.95 * by_radius[trunk].mean()


def test_a_sleeve_of_the_shirts_color_is_cut_by_its_radius():
    by_radius, by_color, masks = before_the_trunk("left_forearm", sleeve=30)
    sleeve = masks["left_forearm"]
    assert by_color[sleeve].sum() > 0.97 * by_radius[sleeve].sum()


def test_what_is_hidden_is_filled_from_the_most_alike_reference_that_shows_it():
    """The forearm hides the trunk in two; the trunk of the third is as wide, the fourth's not.

    Their arms are away from it: beside an arm nothing is copied.
    """
    away = posed(left_elbow=(50, -50), left_wrist=(80, -50))
    wide = moved(away, "left_shoulder", {0: (8, 0)})
    _, masks = painted(posed(**BEFORE))
    hidden = masks["left_forearm"] & (coverage_of(appearance_of(posed()), "torso") == 1)
    frames = [painted(posed(**BEFORE))[0]] * 2 + [
        np.clip(painted(pose)[0].astype(int) + change, 0, 255).astype(np.uint8)
        for pose, change in ((away, 20), (wide, 40))
    ]
    references = [posed(**BEFORE)] * 2 + [away, wide]
    filled = appearance_of(*references, frames=frames)
    assert coverage_of(filled, "torso")[hidden].mean() > 0.9
    patch = filled.patches[0][NUMBER_OF["torso"]]
    y, x = np.argwhere(hidden).mean(axis=0).round().astype(int)
    shown = patch.pixels[y - patch.corner[1], x - patch.corner[0], :3]
    assert np.abs(shown.astype(int) - frames[2][y, x]).max() <= 3


@pytest.mark.parametrize(("wrist", "stays"), [((58, -25), False), ((26, -48), True)])
def test_beside_an_elbow_an_upper_arm_ends_if_it_is_not_folded(wrist, stays):
    """5.4 px, .036 of 150, from it; in loose clothes. Straight, the rest would be a knob there."""
    keypoints = posed(left_elbow=(28, -25), left_wrist=wrist)
    upper = mask_of(silhouette_of(keypoints, EVERYWHERE), "left_upper_arm")
    x, y = keypoints.joint("left_elbow")[0][0].round().astype(int)
    assert upper[y, x] == 255
    beside = upper[[y - 2, y + 2], x + 5]
    assert (beside == 255).all() if stays else (beside < 10).all()


@pytest.mark.parametrize(("shoulder_x", "ends"), [(20, True), (5, False)])
def test_beyond_a_shoulder_a_trunk_ends_in_a_disc_if_it_is_broad(shoulder_x, ends):
    """6.9 px, 1.15 radii of an arm, as far as loose clothes go in profile."""
    keypoints = posed(**both_sides({"shoulder": (shoulder_x, -50)}))
    trunk = mask_of(silhouette_of(keypoints, EVERYWHERE), "torso")
    x, y = keypoints.joint("left_shoulder")[0][0].astype(int)
    outside, above = trunk[y - 5, x + 8], trunk[y - 5, x - 7]
    assert trunk[y - 3, x + 3] == above == 255
    assert (outside < 10) if ends else (outside == 255)


def test_nothing_is_cut_where_joints_are_missing():
    keypoints = lost(posed(), "left_wrist", [0])
    appearance = appearance_of(keypoints)
    names = [name for name, number in NUMBER_OF.items() if appearance.patches[0][number] is None]
    assert names == ["left_forearm"]
    assert not coverage_of(appearance_of(lost(keypoints, "left_hand", [0])), "left_hand").any()


def test_the_core_of_a_part_is_covered_whatever_the_mask_says():
    """A mask that misses the person; the trunk is filled between its bones."""
    keypoints = posed()
    knee, ankle = (keypoints.joint(f"left_{joint}")[0][0] for joint in ("knee", "ankle"))
    x, y = ((knee + ankle) / 2).round().astype(int)
    radius = round(PARTS[NUMBER_OF["left_shin"]].radius * HEIGHT_PX)
    shin = coverage_of(appearance_of(keypoints, frames=[room()]), "left_shin")[y]
    assert shin[[x - radius, x, x + radius]].tolist() == [0, 1, 0]
    thin = silhouette_of(keypoints, 0 * EVERYWHERE, height_px=0.4 * HEIGHT_PX)
    assert mask_of(thin, "torso")[105, 138] == 255


def test_an_outline_is_where_the_mask_is_half():
    """Below 3 tenths a pixel is not covered, above 7 all of it is."""
    mask = np.zeros(PERSON_SIZE, np.uint8)
    mask[:, 100:105] = np.round(255 * np.array([1, 0.75, 0.5, 0.25, 0]))
    person = silhouette_of(posed(), mask)
    row = person.coverage[100, 100 - person.box[0] :]
    assert row[:5] == pytest.approx([1, 1, 0.5, 0, 0], abs=0.01)


def test_hair_far_above_a_face_is_within_the_box():
    """A child's bun begins .22 heights above the highest joint."""
    keypoints = posed()
    highest = keypoints.points[0, keypoints.score[0] > 0, 1].min()
    bun = round(highest - 0.22 * HEIGHT_PX)
    person = silhouette_of(keypoints, EVERYWHERE)
    assert person.box[1] <= max(bun, 0)


@pytest.mark.parametrize(
    ("shift", "joints"), [(-120, slice(None)), (1e6, slice(None)), (1e12, WRIST)]
)
def test_a_person_partly_or_wholly_beyond_the_frame_is_cut_at_its_edge(shift, joints):
    keypoints = posed()
    keypoints.points[0, joints, 0] += np.float32(shift)
    for patch in filter(None, appearance_of(keypoints, frames=[room()]).patches[0]):
        first, last = np.array(patch.corner), np.add(patch.corner, patch.size[::-1])
        assert (first >= 0).all()
        assert (last <= PERSON_SIZE[::-1]).all()


@pytest.mark.parametrize("factor", [3, 4.5])
def test_masks_of_a_large_frame_are_those_of_its_coarse_image(factor):
    keypoints = posed(**BEFORE)
    size = tuple(round(factor * side) for side in PERSON_SIZE)
    coarse = silhouette_of(keypoints, whole_mask(keypoints))
    fine = silhouette_of(keypoints, whole_mask(keypoints), frame_size=size)
    for name in ("torso", "left_forearm", "head"):
        enlarged = cv2.resize(mask_of(coarse, name), size[::-1])
        large = mask_of(fine, name, frame_size=size).astype(float)
        assert np.abs(large - enlarged).sum() < 0.02 * enlarged.sum(), name


def test_what_is_thin_is_no_part_of_a_trunk():
    """A string beside the waist, 2 px wide: a mask's rim beyond an arm that lay there."""
    keypoints, row = posed(), 128 - 25
    mask = whole_mask(keypoints)
    right = int(np.flatnonzero(mask_of(silhouette_of(keypoints, mask), "torso")[row])[-1])
    mask[row - 8 : row + 8, right : right + 2] = 0
    mask[row - 8 : row + 8, right + 2 : right + 4] = 255
    cut = mask_of(silhouette_of(keypoints, mask), "torso")
    assert not cut[row - 4 : row + 4, right + 2 :].any()
    assert cut[row, 128 - 5 : 128 + 5].all()


def test_a_trunk_ends_behind_an_arm_where_trunks_end():
    """It is as wide behind an arm that hangs along it as where none is."""
    keypoints = posed(left_elbow=(30, -25), left_wrist=(30, 5))
    distance, mask = divided(silhouette_of(keypoints, whole_mask(keypoints)))["torso"]
    away = distance.radii
    assert mask.hidden[(away > 0.3) & (away < 0.8)].max() > 200
    assert mask.hidden[(away >= 1.2) & (away < 1.5)].mean() < 3  # of 255


def test_an_arm_that_is_all_behind_a_head_is_hidden_as_far_as_its_hair():
    """From behind, raised before the face: no pixel of it is surely shown, so no color tells."""
    person = silhouette_of(posed(left_shoulder=(6, -60), left_elbow=(0, -78)), EVERYWHERE)
    arm = PARTS[NUMBER_OF["left_upper_arm"]]
    found = divided(person, [arm, *(part for part in PARTS if part is not arm)])
    own, mask = found[arm.name]
    of_head = found["head"][0].within(own.box)
    behind_hair = (own.radii < 0.6) & (of_head > 0.5) & (of_head < 0.65)
    assert behind_hair.any()
    assert mask.shown[behind_hair].max() < 30
    assert mask.hidden[behind_hair].min() > 200


def test_a_belly_belongs_to_the_trunk_as_far_as_it_reaches():
    """What the mask shows up to 2.8 radii in front of the line of a trunk seen from the side."""
    joints = {"shoulder": (1, -58), "hip": (1, 0), "elbow": (60, -58), "wrist": (80, -58)}
    depth_px = round(2.8 * 0.045 * HEIGHT_PX)
    mask = np.zeros(PERSON_SIZE, np.uint8)
    belly = np.s_[128 - 30 : 128 - 10, 128 : 128 + depth_px]
    mask[belly] = 255
    covered = mask_of(silhouette_of(posed(**both_sides(joints)), mask), "torso")[belly]
    assert (covered[4:-4, :-2] > 200).all()


SKIN, HAIR, SHIRT = (200, 150, 120), (40, 20, 10), (30, 90, 200)


def test_below_its_jaw_a_head_has_hair_alone():
    """A face of 8 px around (128, 56), hair around it, and a lock that hangs beside the neck."""
    lock = np.s_[61:69, 137:145]
    frame = np.full((*PERSON_SIZE, 3), SKIN, np.uint8)
    frame[76:] = SHIRT
    frame[:60] = HAIR
    cv2.circle(frame, (128, 56), 9, SKIN, -1)
    frame[lock] = HAIR
    person = silhouette_of(posed(), EVERYWHERE)
    head = mask_of(person, "head", frame=frame)
    assert (head[48:67, 128] == 255).all()
    assert (head[lock][2:-2, 2:-2] > 150).all()
    assert not head[72:, 118:136].any()
    neck = mask_of(person, "neck", frame=frame)
    assert (neck[71:74, 126:131] == 255).all()  # below is the rim of the shirt


def test_shoulders_above_the_mouth_are_no_hair_of_a_bowed_head():
    """The mouth at 84 px, beside a shirt that begins at 66 and hair that ends there."""
    keypoints = posed(nose=(0, -47), **both_sides({"eye": (3, -52), "mouth": (2, -44)}))
    frame = np.full((*PERSON_SIZE, 3), HAIR, np.uint8)
    frame[66:] = SHIRT
    frame[70:95, 120:136] = SKIN
    head = mask_of(silhouette_of(keypoints, EVERYWHERE), "head", frame=frame)
    assert not head[68:71, 106:114].any()
    assert (head[58:64, 108:114] == 255).all()


def test_shining_hair_in_the_color_of_the_shirt_is_the_heads():
    frame = np.full((*PERSON_SIZE, 3), SKIN, np.uint8)
    frame[72:], frame[:52] = SHIRT, HAIR
    shine = np.s_[43:48, 112:120]
    frame[shine] = SHIRT
    head = mask_of(silhouette_of(posed(), EVERYWHERE), "head", frame=frame)
    assert (head[shine][1:-1, 1:-1] > 200).all()


def test_a_neck_goes_on_behind_the_jaw(standing):
    """Up to the ears, at 54 px, in its own color."""
    neck = coverage_of(standing, "neck")[:, 128]
    assert (neck[54:76] == 1).all()
    assert not neck[:44].any()
    patch = standing.patches[0][NUMBER_OF["neck"]]
    colors = patch.pixels[:, 128 - patch.corner[0], :3].astype(int)
    behind, shown = (colors[y - patch.corner[1]] for y in (65, 72))
    assert np.abs(behind - shown).max() < 16


@pytest.mark.parametrize(
    ("part", "joint", "away", "midway"),
    [("left_forearm", "left_elbow", (-1, 0), 0.5), ("torso", "left_hip", (2 / 35, 1), 1)],
)
def test_a_part_passes_into_the_limb_behind_it(part, joint, away, midway):
    """Nothing from 1.25 radii on: beyond an elbow from 0.35 on less, beyond a hip from 0.95 on."""
    arm = {"left_shoulder": (18, -50), "left_elbow": (60, -50), "left_wrist": (100, -50)}
    pose = posed(**arm)
    coverage = mask_of(silhouette_of(pose, whole_mask(pose)), part) / np.float32(255)
    radius = PARTS[NUMBER_OF[part]].radius * HEIGHT_PX
    beyond = radius * np.array([[0.2], [0.75], [1.4]])
    x, y = (pose.joint(joint)[0][0] + beyond * away).astype(np.float32).T
    found = cv2.remap(coverage, x, y, cv2.INTER_LINEAR).ravel()
    assert found == pytest.approx([1, midway, 0], abs=0.12)


def test_what_is_seen_between_fingers_is_no_part_of_the_hand():
    """Also where their joints lie beside them, by a radius."""
    size = 768, 768
    pose = scaled(posed(**BEFORE), 3.0, (1, 1), size=size)
    frame, masks = painted(pose)
    trunk, hand = masks["torso"], masks["left_hand"]
    frame[trunk] = (220, 20, 30)
    frame[hand] = (230, 180, 160)
    appearance = appearance_of(moved(pose, "left_hand", {0: (7.2, 0)}), frames=[frame])
    coverage = coverage_of(appearance, "left_hand", frame_size=size)
    assert coverage[trunk].sum() < 0.09 * coverage.sum()
    assert coverage[hand].sum() > 0.8 * hand.sum()


@pytest.mark.parametrize("turn", [0, 90])
def test_far_above_the_shoulders_a_trunk_has_no_hair(turn):
    """Hair all around: it ends 1.2 to 1.5 radii above the shoulders, also of someone who lies."""
    keypoints = rotated(posed(), turn)
    shown = mask_of(silhouette_of(keypoints, EVERYWHERE), "torso")
    joints = [HOLISTIC.index(f"{side}_shoulder") for side in ("left", "right")]
    ends, radius_px = keypoints.points[0, joints], PARTS[NUMBER_OF["torso"]].radius * HEIGHT_PX
    rows, columns = np.indices(PERSON_SIZE)
    above = columns - ends[:, 0].max() if turn else ends[:, 1].min() - rows
    aside = rows - ends[:, 1].mean() if turn else columns - ends[:, 0].mean()
    beside_neck = (np.abs(aside) > 10) & (np.abs(aside) < 14)
    assert (shown[beside_neck & (above > 1.55 * radius_px)] == 0).all()
    assert shown[beside_neck & (above > 0.3 * radius_px) & (above < radius_px)].mean() > 100
