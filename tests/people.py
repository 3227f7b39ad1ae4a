"""People drawn in code: keypoints of someone who stands, walks or dances, and frames of them."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import cv2
import numpy as np
import torch

from motiontransfer.body.parts import BodyPoses, body_parts
from motiontransfer.plate.background import Background
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Detections, Keypoints
from motiontransfer.pose.skeleton import COCO_17, HOLISTIC
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.fitting import fit_appearance
from motiontransfer.puppet.fit.silhouette import silhouette
from motiontransfer.retargeting.statistics import fit_statistics

RATE = Fraction(25)


def both_sides(left, middle=()):
    """Places of joints by name: those of the left side and, mirrored, of the right one."""
    places = dict(middle)
    for name, (x, *y) in left.items():
        places |= {f"left_{name}": (x, *y), f"right_{name}": (-x, *y)}
    return places


# Pixels (x, y) from the middle of the hips, of someone who looks at the camera: their left side is
# at the right of the image.
_STANDING = both_sides(
    {
        **{"eye_inner": (2, -76), "eye": (4, -76), "eye_outer": (6, -76)},
        **{"ear": (9, -74), "mouth": (3, -68)},
        **{"shoulder": (20, -50), "elbow": (28, -25), "wrist": (32, 0)},
        **{"pinky": (34, 8), "index": (33, 9), "thumb": (31, 6)},
        **{"hip": (12, 0), "knee": (14, 35), "ankle": (15, 70)},
        **{"heel": (15, 74), "foot_index": (20, 76)},
    },
    {"nose": (0, -72)},
)
PERSON_SIZE = (256, 256)
HEIGHT_PX = 150.0  # as `body_height_px` measures it: three times the trunk of 50 px

# (right, up) in heights from ankles to nose, from the middle of the ankles
_UPRIGHT = both_sides(
    {
        **{"eye_inner": (0.01, 1.03), "eye": (0.02, 1.03), "eye_outer": (0.03, 1.03)},
        **{"ear": (0.05, 1.0), "mouth": (0.015, 0.98)},
        **{"shoulder": (0.11, 0.85), "elbow": (0.15, 0.67), "wrist": (0.17, 0.5)},
        **{"pinky": (0.18, 0.46), "index": (0.17, 0.45), "thumb": (0.16, 0.47)},
        **{"hip": (0.06, 0.53), "knee": (0.06, 0.28), "ankle": (0.06, 0.0)},
        **{"heel": (0.055, -0.02), "foot_index": (0.08, -0.03)},
    },
    {"nose": (0.0, 1.0)},
)


def keypoints_of(frames, size=(60, 80), *, frame_rate=RATE, score=0.9):
    """Keypoints of frames, each joint -> (x, y); the other joints are missing."""
    points = np.zeros((len(frames), len(HOLISTIC.joints), 2), np.float32)
    scores = np.zeros(points.shape[:2], np.float32)
    for index, joints in enumerate(frames):
        for name, point in joints.items():
            points[index, HOLISTIC.index(name)] = point
            scores[index, HOLISTIC.index(name)] = score
    return _drawn(points, scores, size=size, frame_rate=frame_rate)


def _drawn(points, score, *, size, frame_rate=RATE):
    return Keypoints(
        points=points,
        score=score,
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=Fraction(frame_rate),
        detector="drawn",
    )


def joints_of(group):
    """Where a group's joints, or one joint, lie along the joint axis."""
    if group in HOLISTIC.joints:
        return slice(HOLISTIC.index(group), HOLISTIC.index(group) + 1)
    return HOLISTIC.slice(group)


def lost(keypoints, group, frames):
    """The same with a group or a joint missing in some frames."""
    points, score = keypoints.points.copy(), keypoints.score.copy()
    points[list(frames), joints_of(group)] = 0
    score[list(frames), joints_of(group)] = 0
    return replace(keypoints, points=points, score=score)


def known_to(joints, keypoints, *, detector="other"):
    """The same from a detector that knows these joints only."""
    known = np.array([joint in joints for joint in HOLISTIC.joints])
    points = np.where(known[:, None], keypoints.points, np.float32(0))
    return replace(keypoints, points=points, score=keypoints.score * known, detector=detector)


def moved(keypoints, group, shifts):
    """The same with a group or a joint moved by shifts, frame_index -> (x, y) px."""
    points = keypoints.points.copy()
    for frame, shift in shifts.items():
        points[frame, joints_of(group)] += np.float32(shift)
    return replace(keypoints, points=points)


def from_behind(keypoints):
    """As the camera sees them from behind: left and right exchanged by their places."""
    points = np.where(keypoints.score[..., None] > 0, (256, 0) - keypoints.points, 0)
    return replace(keypoints, points=np.abs(points).astype(np.float32))


def scaled(keypoints, by=1.0, shift=(0, 0), size=None):
    """Larger and moved by (x, y) px, all joints that are found."""
    points = (keypoints.points * by + shift) * (keypoints.score > 0)[..., None]
    size = size or keypoints.image_size
    return replace(keypoints, points=points.astype(np.float32), image_size=size)


def place(keypoints, joint, frame_index=0):
    """[x, y] of a joint."""
    return keypoints.joint(joint)[0][frame_index].tolist()


def fitted(*clips):
    """Statistics of a subject's clips."""
    return fit_statistics(clips, min_score=0.5, cluster_fraction=None, outlier_quantile=0.98)


def joined(*clips):
    """The frames of clips of one person, one after the other."""
    return Keypoints.concatenated(clips)


# One person with all joints, facing the camera


def _all_joints():
    places, groups = dict(_STANDING), dict(HOLISTIC.groups)
    for side in ("left", "right"):
        for index, joint in enumerate(groups[f"{side}_hand"]):
            places[joint] = np.add(_STANDING[f"{side}_wrist"], (0.2 * index, 0.6 * index))
    # From the chin on, which is the first of them.
    angles = np.linspace(0.5 * np.pi, 2.5 * np.pi, len(groups["face"]), endpoint=False)
    for joint, angle in zip(groups["face"], angles, strict=True):
        places[joint] = np.add((0, -72), (8 * np.cos(angle), 8 * np.sin(angle)))
    return np.array([places[joint] for joint in HOLISTIC.joints], np.float64)


def person(path=((128.0, 128.0),), *, frame_rate=25, score=0.9):
    """Keypoints of someone whose hips are at each of some (x, y), one a frame."""
    points = (_all_joints() + np.asarray(path, np.float64)[:, None]).astype(np.float32)
    scores = np.full(points.shape[:2], score, np.float32)
    return _drawn(points, scores, size=PERSON_SIZE, frame_rate=frame_rate)


def standing(num_frames, **others):
    return person([(128.0, 128.0)] * num_frames, **others)


def rotated(keypoints, degrees):
    """In the image, clockwise about (128, 128)."""
    angle = np.radians(degrees)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return replace(keypoints, points=((keypoints.points - 128) @ turn + 128).astype(np.float32))


def detects(*centres, waves=True):
    """A detector that finds a person at each (x, y) in every frame; joints outside are missing.

    The left wrist goes up and down.
    """

    def find_in(frame, index):
        found = [person([centre]) for centre in centres]
        people = frame_of(*(np.dstack([it.points, it.score])[0] for it in found))
        people[:, HOLISTIC.index("left_wrist"), 1] += 6 * waves * (index % 2)
        size = np.array(frame.shape[1::-1])
        inside = ((people[..., :2] >= 0) & (people[..., :2] < size)).all(axis=2)
        return np.where(inside[..., None], people, np.float32(0))

    return lambda frames: [find_in(frame, index) for index, frame in enumerate(frames)]


# Someone with the body's joints only, of any size, and several of them


def stick_person(
    ankle_y, height, *, x=32.0, image_size=(100, 64), frame_rate=25, missing=(), score=0.9
):
    """Head, shoulders, ankles and a finger of someone standing at `ankle_y`, one a frame.

    The height is from ankles to nose; missing are (frame_index, joint) pairs.
    """
    sided = ("eye", "ear", "mouth", "shoulder", "ankle")
    names = ("nose", *(f"{side}_{joint}" for joint in sided for side in ("left", "right")))
    offsets = {name: _UPRIGHT[name] for name in names} | {"left_hand_index_tip": (0.3, 0.4)}
    frames = [
        {name: (x + right * tall, y - up * tall) for name, (right, up) in offsets.items()}
        for y, tall, x in zip(*np.broadcast_arrays(np.atleast_1d(ankle_y), height, x), strict=True)
    ]
    keypoints = keypoints_of(frames, image_size, frame_rate=frame_rate, score=score)
    for frame_index, joint in missing:
        keypoints = lost(keypoints, joint, [frame_index])
    return keypoints


def walker(x, y=200.0, height=100.0, *, jitter=0.0, without=(), seed=0):
    """x, y, score of each joint of someone whose ankles are at x, y, with a detector's jitter."""
    joints = np.zeros((len(HOLISTIC.joints), 3), np.float32)
    noise = np.random.default_rng(seed).normal(0, jitter, (len(_UPRIGHT), 2))
    for (name, (right, up)), (dx, dy) in zip(_UPRIGHT.items(), noise, strict=True):
        if name not in without:
            place = (x + right * height + dx, y - up * height + dy, 0.9)
            joints[HOLISTIC.index(name)] = place
    return joints


def frame_of(*walkers):
    """Everyone in one frame, in this order."""
    joints = np.array(walkers, np.float32)
    return joints.reshape(len(walkers), len(HOLISTIC.joints), 3)


def detections_of(tracks, *, num_frames, frame_rate=25, image_size=(256, 256)):
    """Everyone in a clip: by track, its frames and `walker`'s arguments, or them by frame."""
    people, numbers = [[] for _ in range(num_frames)], [[] for _ in range(num_frames)]
    for track, (frames, place) in tracks.items():
        for index in frames:
            people[index].append(walker(*(place(index) if callable(place) else place)))
            numbers[index].append(track)
    return Detections.from_frames(
        [frame_of(*found) for found in people],
        [np.array(found, np.int32) for found in numbers],
        image_size=image_size,
        frame_rate=Fraction(frame_rate),
        detector="drawn",
    )


def everyone(*clips):
    """Who is in several clips of one length, together: the track's number is that of the clip."""
    joints = np.stack([np.dstack([it.points, it.score]) for it in clips], axis=1)
    seen = [np.flatnonzero(frame[..., 2].any(axis=1)).astype(np.int32) for frame in joints]
    return Detections.from_frames(
        [frame[who] for frame, who in zip(joints, seen, strict=True)],
        seen,
        image_size=clips[0].image_size,
        frame_rate=clips[0].frame_rate,
        detector=clips[0].detector,
    )


_OF_OTHER_SETS = both_sides(
    {"small_toe": (0.1, -0.03), "pupil": (0.021, 1.03)}, {"neck": (0, 0.85), "mid_hip": (0, 0.53)}
)


def place_of(joint, *, x=100.0, floor=200.0, height=150.0):
    """(x, y) of a joint of any joint set, each at a place of its own; soles are on the floor."""
    places = _UPRIGHT | _OF_OTHER_SETS
    if joint in places:
        right, up = places[joint]
        return x + right * height, floor - (up - places["left_foot_index"][1]) * height
    # Hands and face: anywhere near, and no two at one place.
    side = -1 if joint.startswith("right_") else 1
    twin = "left_" + joint.removeprefix("right_") if side < 0 else joint
    digest = sum(ord(letter) * (index + 1) for index, letter in enumerate(twin))
    up, left = 0.5 + (digest % 97) / 400, 0.05 + (digest % 89) / 500
    return x + side * left * height, floor - up * height


def rows_of(joints, *, score=0.9, **placement):
    """x, y and score of each joint, as a list of triples."""
    return [[*place_of(joint, **placement), score] for joint in joints]


def flat(rows):
    """x0, y0, score0, x1, … as OpenPose and COCO have it."""
    return [float(value) for value in np.array(rows).reshape(-1)]


# Standing straight with the arms out: (x, y) in an image of 200 x 200 pixels.
ARMS_OUT = {
    **{"left_hip": (110, 100), "right_hip": (90, 100)},
    **{"left_shoulder": (115, 60), "right_shoulder": (85, 60)},
    **{"left_elbow": (135, 60), "right_elbow": (65, 60)},
    **{"left_wrist": (155, 60), "right_wrist": (45, 60)},
    **{"left_ear": (104, 44), "right_ear": (96, 44), "nose": (100, 46), "face_chin": (100, 52)},
    **{"left_knee": (110, 130), "right_knee": (90, 130)},
    **{"left_ankle": (110, 160), "right_ankle": (90, 160)},
    **{"left_foot_index": (118, 164), "left_hand_index_tip": (165, 60), "left_index": (160, 62)},
}


def arms_out(places=ARMS_OUT, frames=1):
    """Someone with these joints in an image of 200 x 200 pixels, the same in each frame."""
    return keypoints_of([places] * frames, (200, 200))


# A small figure with a hand and a face, drawn as blocks

_FIGURE = both_sides(
    {"shoulder": (6, -12), "hip": (4, 4), "ankle": (5, 22), "face_temple": (6, -22)},
    {
        **{"nose": (0, -20), "face_chin": (0, -16), "face_forehead": (0, -28)},
        **{"left_hand_wrist": (12, 0), "left_hand_index_tip": (14, 3)},
    },
)


def figure(centres, *, size=(64, 64), absent=()):
    """A standing figure around each of some (x, y), one a frame, without the `absent` joints."""
    offsets = {name: offset for name, offset in _FIGURE.items() if name not in absent}
    frames = [{name: (x + dx, y + dy) for name, (dx, dy) in offsets.items()} for x, y in centres]
    return keypoints_of(frames, size)


def blocks(keypoints, index):
    """What one frame shows: a ramp with a block around each joint."""
    height, width = keypoints.image_size
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (np.arange(width)[None, :, None] * 2 + 60).astype(np.uint8)
    for x, y in keypoints.points[index][keypoints.score[index] > 0].astype(int):
        frame[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = (200, 40, 20 + 3 * y % 200)
    return frame


# A dancer of 36 px, in frames in which a network has something to learn

SIZE = (48, 40)
_DANCER = both_sides(
    {
        **{"eye": (2, -18), "ear": (4, -17), "mouth": (1, -14)},
        **{"shoulder": (5, -10), "elbow": (8, -5), "wrist": (9, 1)},
        **{"hip": (3, 0), "knee": (4, 9), "ankle": (4, 18)},
    },
    {"nose": (0, -16)},
)


def dance(num_frames, *, size=SIZE, missing=(), start_x=None, seed=0):
    """Keypoints of someone who walks one pixel a frame to the right and waves the left arm.

    In missing frames nobody was found; a little jitter by the seed makes no two frames alike.
    """
    jitter = np.random.default_rng(seed).uniform(-0.4, 0.4, (num_frames, 2))
    x = np.arange(num_frames) + (size[1] / 3 if start_x is None else start_x)
    points = np.zeros((num_frames, len(HOLISTIC.joints), 2), np.float32)
    score = np.zeros(points.shape[:2], np.float32)
    for joint, (right, down) in _DANCER.items():
        index = HOLISTIC.index(joint)
        points[:, index] = np.stack([x + right, np.full(num_frames, size[0] / 2 + down)], 1)
        points[:, index] += jitter
        score[:, index] = 0.9
    points[:, HOLISTIC.index("left_wrist"), 1] -= 2 * np.arange(num_frames, dtype=np.float32)
    points[list(missing)], score[list(missing)] = 0, 0
    return _drawn(points, score, size=size)


def picture(keypoints, index):
    """What one frame shows: a shaded room, a red body, a bright face."""
    height, width = keypoints.image_size
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (40 + 2 * np.arange(width)[None, :, None] + np.arange(height)[:, None, None]) % 256
    if not keypoints.score[index].any():
        return frame
    left, top = keypoints.joint("right_shoulder")[0][index]
    right, bottom = keypoints.joint("left_ankle")[0][index]
    y, x = np.mgrid[:height, :width]
    frame[(x >= left) & (x <= right) & (y >= top) & (y <= bottom)] = (200, 30, 40)
    for joint, color, radius in (
        ("nose", (240, 200, 170), 5),
        ("left_wrist", (30, 220, 90), 3),
        ("left_eye", (20, 20, 30), 1.5),
        ("right_eye", (20, 20, 30), 1.5),
    ):
        centre_x, centre_y = keypoints.joint(joint)[0][index]
        frame[np.hypot(x - centre_x, y - centre_y) <= radius] = color
    return frame


def difference_mask(frame, empty):
    """Mask of whom a frame shows: where it differs from the room without them."""
    red, green, blue = cv2.split(cv2.absdiff(frame, empty))
    return np.where(cv2.max(cv2.max(red, green), blue) > 20, 255, 0).astype(np.uint8)


def inside(person, *, by_px=3):
    """Pixels that have none of the background beside them."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by_px + 1,) * 2)
    return cv2.erode(np.asarray(person, np.uint8), disc) > 0


def scene(image):
    """A background image that was seen everywhere."""
    nowhere = np.zeros(image.shape[:2], bool)
    return Background(image, is_filled=nowhere)


def silhouette_of(keypoints, mask, *, height_px=HEIGHT_PX, frame_size=PERSON_SIZE):
    """A doll in its mask."""
    poses = BodyPoses(HOLISTIC, keypoints.points, keypoints.score)
    sizes = {"coarse_size": PERSON_SIZE, "frame_size": frame_size}
    return silhouette(poses, mask, height_px=height_px, **sizes)


def puppet_of(keypoints, references):
    """The puppet that these frames show."""
    empty = picture(dance(1, size=keypoints.image_size, missing=[0]), 0)
    frames = {(0, index): picture(keypoints, index) for index in references}
    return Puppet(
        fit_appearance(
            [keypoints],
            [frame.copy for frame in frames.values()],
            {key: difference_mask(frame, empty) for key, frame in frames.items()},
            background=scene(empty),
            height_px=body_height_px(keypoints),
            num_workers=1,
        )
    )


# A doll: each body part of the person with all joints in a color of its own

PARTS = body_parts(HOLISTIC)
NUMBER_OF = {part.name: number for number, part in enumerate(PARTS)}
COLORS = np.random.default_rng(3).permutation(
    [(200 + 40 * (n % 2), 10 + 25 * (n // 2 % 5), 240 - 14 * n) for n in range(len(PARTS))]
)


def without(clip, numbers):
    """A puppet's clip, of which these parts are not drawn."""
    chosen = clip.chosen.copy()
    chosen[:, list(numbers)] = -1
    return replace(clip, chosen=chosen)


def room(size=PERSON_SIZE):
    """Soft green spots."""
    return _spots(size).copy()


@cache
def _spots(size):
    noise = np.random.default_rng(0).uniform(60, 110, (*size, 1)).astype(np.float32)
    return np.dstack(
        [0.6 * cv2.GaussianBlur(noise, (15, 15), 4)[..., None] * (1, 1.6, 1.1)]
    ).astype(np.uint8)


def painted(keypoints, index=0, *, thickness=0.9):
    """A frame with the doll, from the farthest part to the nearest, and a mask of each part."""
    size = keypoints.image_size
    grain = np.random.default_rng(1).integers(-12, 13, (*size, 1))
    poses = BodyPoses(HOLISTIC, keypoints.points, keypoints.score)
    height_px = HEIGHT_PX * size[0] / PERSON_SIZE[0]
    nearest = np.full(size, -1, np.int16)  # number of a part
    for number, part in enumerate(PARTS):
        width = max(round(2 * thickness * part.radius * height_px), 1)
        for bone in part.bones:
            points, found = poses.joints(bone, index)
            if found.all():
                cv2.line(nearest, *points.round().astype(int).tolist(), number, width)
        points, found = poses.joints(part.joints, index)
        if part.is_solid and found.sum() >= part.min_joints:
            hull = cv2.convexHull(points[found].round().astype(np.int32))
            cv2.fillConvexPoly(nearest, hull, number)
    levels = np.clip(COLORS[nearest] + grain, 0, 255).astype(np.uint8)
    frame = np.where(nearest[..., None] < 0, room(size), levels)
    return frame, {part.name: nearest == number for number, part in enumerate(PARTS)}


def posed(**places):
    """Someone who stands, some joints (x, y) from the hips' middle; hands go with wrists."""
    keypoints = person()
    points = keypoints.points.copy()
    for joint, place in places.items():
        moved = np.float32(place) + 128 - points[0, HOLISTIC.index(joint)]
        side, _, kind = joint.partition("_")
        joints = [HOLISTIC.index(joint)]
        if kind == "wrist":
            where = HOLISTIC.slice(f"{side}_hand")
            joints += range(where.start, where.stop)
            joints += [HOLISTIC.index(f"{side}_{tip}") for tip in ("index", "pinky", "thumb")]
        points[0, joints] += moved
    return replace(keypoints, points=points)


def looking(degrees):
    """Someone who stands, and whose head is turned so far to the right of the image."""
    keypoints, turn = posed(), np.radians(degrees)
    joints = PARTS[NUMBER_OF["head"]].joints
    deep = [{"nose": 0.63 * 18}.get(joint, 9.0 * ("ear" not in joint)) for joint in joints]
    head, points = [*map(HOLISTIC.index, joints)], keypoints.points.copy()
    across = points[0, head, 0] - 128
    points[0, head, 0] = 128 + np.cos(turn) * across + np.sin(turn) * np.array(deep)
    return replace(keypoints, points=points)


def appearance_of(*references, frames=None, **how):
    """How a doll looks in these poses, each a clip of one frame, of the doll unless others."""
    frames = frames or [painted(keypoints, **how)[0] for keypoints in references]
    empty = room(references[0].image_size)
    return fit_appearance(
        references,
        [frame.copy for frame in frames],
        {(clip, 0): difference_mask(frame, empty) for clip, frame in enumerate(frames)},
        background=scene(empty),
        height_px=HEIGHT_PX * len(empty) / PERSON_SIZE[0],
        num_workers=1,  # as many in all tests: to start another one takes longer than the work
    )


def known_rows(keypoints, index, joints):
    """x, y and score of joints in one frame; zeros for those that are not there."""
    known = set(keypoints.skeleton.joints)
    found = [
        np.append(keypoints.joint(it)[0][index], 1) if it in known else (0, 0, 0) for it in joints
    ]
    return np.array(found, np.float64)


class FindsInTurn(torch.nn.Module):
    """In place of keypoint R-CNN: finds one person, whose joints are those of the next frame."""

    def __init__(self, truth):
        super().__init__()
        self.truth, self.remaining = truth, iter(range(truth.num_frames))

    def forward(self, images):
        return [
            {
                "scores": torch.ones(1),
                "labels": torch.ones(1, dtype=torch.int64),
                "keypoints": torch.tensor(found[None], dtype=torch.float32),
                "keypoints_scores": torch.full((1, len(COCO_17)), 10.0),
            }
            for found in (known_rows(self.truth, next(self.remaining), COCO_17) for _ in images)
        ]
