"""Quality of a clip's keypoints: coverage, outliers, framing, camera motion, and advice."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Int8, Int64

from motiontransfer.core.arrays import Affine, Box, Frame, FrameMask, PixelMask, Series
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.facing import degrees_to_upright
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.landmarks import person_box
from motiontransfer.pose.shown import WHOLE, frames_showing, what_is_shown
from motiontransfer.pose.time_series import longest_segment, segments
from motiontransfer.video.frame_store import FrameStore

MISSING, FILLED, MEASURED = 0, 1, 2
NOTHING_TO_FIX = "nothing to fix"
TURN = (
    "the picture is on its side or upside down: set its rotate: {0} in films.yaml, or add it by "
    "`motiontransfer add-video FILE --subject NAME --rotate {0}`, a target with --target"
)
"""What to do with a film or photo, with degrees."""

# Parts of the body from the head down; a part is some joints of the body, or a joint group.
_JOINTS_OF_PART: dict[str, tuple[str, ...] | str] = {
    "head": ("nose", "left_eye", "right_eye"),
    "face": "face",
    "trunk": ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
    "left arm": ("left_elbow", "left_wrist"),
    "left hand": "left_hand",
    "right arm": ("right_elbow", "right_wrist"),
    "right hand": "right_hand",
    "left leg": ("left_knee", "left_ankle"),
    "right leg": ("right_knee", "right_ankle"),
    "feet": ("left_heel", "left_foot_index", "right_heel", "right_foot_index"),
}
PARTS = tuple(_JOINTS_OF_PART)

# Joint -> joints next to it and about how far it is from them at most, in body heights: where a
# joint is missing and its neighbor so near the edge, it is outside. Without an elbow, that is how
# far the elbow is: an arm of which nothing is seen may be hidden, as the far one in profile.
_REACH_OF_END = {
    "head": (("nose",), (("shoulder", 0.2),)),
    "hands": (("left_wrist", "right_wrist"), (("elbow", 0.15), ("shoulder", 0.18))),
    "feet": (("left_ankle", "right_ankle"), (("knee", 0.25), ("hip", 0.5), ("shoulder", 0.8))),
}

# Thresholds for advice.
_RARE = 0.02  # of the frames
_UPRIGHT_ROOM = 2.0  # variance of colors, of the rows over that of the columns
_STANDS_STILL = 0.005  # of the height: a poster in a compressed film has 0.003, who talks 0.009
_ENOUGH_OF_HANDS = 0.8  # of the frames; they are hidden now and then in any dance
_ENOUGH_OF_FACE = 0.5  # of the frames; dancers turn round
_TALL_ENOUGH_PX = 140  # of body height; MediaPipe finds few hands of smaller people
STILL_CAMERA = 0.015  # widths of the image a second; a hand that holds still reaches half of it
STEADY_CAMERA = 0.008  # widths of the image; shadows on a plain floor reach 0.006, a hand 0.014
_USUAL_EXPOSURE = 0.7  # of the clip's median level, or as much above: less is a fade or a flash
_NUM_EXPOSURES = 400  # frames of a clip that are measured, at most about
_NOISE_LEVELS = 8  # added to levels: ratios of dark ones are noise

# Camera motion.
PAIR_SECONDS = 0.2
"""Time between the frames of a pair."""
_NUM_PAIRS = 24  # of a clip
_COUNTED_QUANTILE = 0.75  # of the pairs' speeds: a camera that moves a quarter of the time moves
_MOST_POINTS, _FEWEST_POINTS, _POINTS_APART_PX = 200, 12, 5  # of the background
_FEWEST_PLACES = 5  # of a deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipQuality:
    state: Int8[np.ndarray, "parts frames"]
    """MISSING, FILLED or MEASURED, for each of `PARTS`: the worst of its joints."""
    score_histogram: Int64[np.ndarray, " bins"]
    """Number of body joints by detector's score: 0 to 0.1, to 0.2, …, to 1; missing ones apart."""
    repairs: Repairs
    outside: Mapping[str, FrameMask]
    """True where head, hands or feet are beyond the frame's edge."""
    with_others: FrameMask
    possible_switches: int
    body_height_px: float
    """Apparent height of the upright person, pixels of the working image."""
    camera_speed: float | None
    camera_wander: float | None = None
    """Standard deviation of the view's place, in widths of the image."""
    frame_rate: float
    shows: str
    """How much of the body; see `shown.SHOWN`."""
    sway: float = math.inf
    """Standard deviation of the place of the joint that moves most, body heights."""
    turn: int = 0
    """See `degrees_to_turn`."""

    @property
    def person_known(self) -> FrameMask:
        return self.state.max(axis=0) > MISSING

    def of_part(self, part: str) -> Int8[np.ndarray, " frames"]:
        """MISSING, FILLED or MEASURED in each frame."""
        return self.state[PARTS.index(part)]


def measure_quality(
    keypoints: Keypoints,
    repairs: Repairs,
    *,
    content: Box,
    with_others: FrameMask,
    possible_switches: int,
    camera_speed: float | None,
    camera_wander: float | None = None,
    turn: int = 0,
) -> ClipQuality:
    """Measure cleaned keypoints; `content`: the video's box in the working image."""
    skeleton, height = keypoints.skeleton, body_height_px(keypoints)
    state = np.where(keypoints.score > 0, np.int8(MEASURED), np.int8(MISSING))
    if keypoints.filled is not None:
        state = np.where(keypoints.filled, np.int8(FILLED), state)
    states = {
        part: state[:, skeleton.slice(joints)]
        if isinstance(joints, str)
        else state[:, list(map(skeleton.index, joints))]
        for part, joints in _JOINTS_OF_PART.items()
    }
    shown = (states["face"] != MISSING).any(axis=0)  # OpenPose knows no forehead
    if shown.any():
        states["face"] = states["face"][:, shown]
    body = skeleton.slice("body")
    scores = keypoints.score[:, body][state[:, body] == MEASURED]
    outside = {end: _outside(keypoints, end, content, height) for end in _REACH_OF_END}
    shows = what_is_shown(keypoints, content)
    if shows != WHOLE:  # the size of such a body tells little
        outside["feet"] = frames_showing(keypoints, content) > 0
    return ClipQuality(
        state=np.stack([of_part.min(axis=1) for of_part in states.values()]),
        score_histogram=np.histogram(scores, bins=10, range=(0, 1))[0],
        repairs=repairs,
        outside=outside,
        with_others=with_others,
        possible_switches=possible_switches,
        body_height_px=height,
        camera_speed=camera_speed,
        camera_wander=camera_wander,
        frame_rate=float(keypoints.frame_rate),
        shows=shows,
        sway=_sway(keypoints, height),
        turn=turn,
    )


def degrees_to_turn(keypoints: Keypoints, first: Frame) -> int:
    """By which to turn a film clockwise; 0 where it is upright, or somebody lies in it.

    If someone seems to stand across the picture, the room decides. Walls, floors and skies differ
    more from above to below than from side to side.

    Args:
        first: its first frame.
    """
    turn = degrees_to_upright(keypoints)
    hidden = ~without_person(keypoints, (0,))
    room = np.ma.masked_array(first.astype(np.float64), np.dstack([hidden] * 3))
    beside, below = (room.mean(axis=axis).var(axis=0).sum() for axis in (0, 1))
    return 0 if turn % 180 and below > _UPRIGHT_ROOM * beside else turn


def _sway(keypoints: Keypoints, height: float) -> float:
    body = keypoints.skeleton.slice("body")
    seen = (keypoints.score[:, body] > 0).all(axis=0)
    if keypoints.num_frames < 2 or not seen.any():
        return math.inf
    variances = keypoints.points[:, body][:, seen].var(axis=0).sum(axis=1)
    return math.sqrt(variances.max()) / height


def _outside(keypoints: Keypoints, end: str, content: Box, height: float) -> FrameMask:
    """True where a joint of an end is outside, or missing with its neighbor near the edge."""
    joints, neighbors = _REACH_OF_END[end]
    outside = np.zeros(keypoints.num_frames, np.bool_)
    for joint in joints:
        distance, seen = _edge_distance(keypoints, joint, content)
        outside |= seen & (distance < 0)
        sides = ("left", "right") if joint == "nose" else (joint.split("_")[0],)
        for neighbor, reach in neighbors:  # the nearest one seen decides
            known = seen
            for side in sides:
                distance, found = _edge_distance(keypoints, f"{side}_{neighbor}", content)
                outside |= ~known & found & (distance < reach * height)
                seen = seen | found
    return outside


def _edge_distance(keypoints: Keypoints, joint: str, content: Box) -> tuple[Series, FrameMask]:
    points, score = keypoints.joint(joint)
    x0, y0, x1, y1 = content
    distance = np.minimum(points - np.array([x0, y0]), np.array([x1, y1]) - points).min(axis=1)
    return distance.astype(np.float64), score > 0


def quality_metrics(quality: ClipQuality) -> dict[str, int | float | None]:
    """Shares of frames, counts, and the longest gaps in frames."""
    metrics: dict[str, int | float | None] = {"frames": quality.state.shape[1]}
    for part in PARTS:
        state, name = quality.of_part(part), part.replace(" ", "_")
        metrics[f"coverage_{name}"] = round(float((state != MISSING).mean()), 4)
        metrics[f"filled_{name}"] = round(float((state == FILLED).mean()), 4)
        metrics[f"longest_gap_{name}_frames"] = longest_segment(state == MISSING)
    for end, frames in quality.outside.items():
        metrics[f"frames_with_{end}_outside"] = int(frames.sum())
    return metrics | {
        "body_height_px": round(quality.body_height_px, 1),
        "camera_speed": None if quality.camera_speed is None else round(quality.camera_speed, 4),
    }


def verdict(quality: ClipQuality) -> list[str]:
    """Advice in sentences, the gravest fault first; `NOTHING_TO_FIX` alone if there is none."""
    if not quality.person_known.any():
        return [
            f"no person is detected in any of {len(quality.with_others)} frames. Film one person "
            "from the chest up at least, more than half as tall as the image"
        ]
    return [*_visibility(quality), *_detection(quality), *_motion(quality)] or [NOTHING_TO_FIX]


def _visibility(quality: ClipQuality) -> Iterator[str]:
    if quality.turn:
        yield TURN.format(quality.turn)
    if quality.sway < _STANDS_STILL:
        yield (
            "who is followed does not move, as on a poster. Set crop to a box around the dancer "
            "(x0, y0, x1, y1 in pixels), or person to the dancer's number"
        )
    absent = ~quality.person_known
    if absent.mean() > _RARE:
        start, stop = max(segments(absent), key=lambda segment: segment[1] - segment[0])
        yield (
            f"no person is detected in {_percent(absent)} of frames, the longest time from "
            f"{start / quality.frame_rate:.1f} s to {stop / quality.frame_rate:.1f} s. Cut that "
            "out of the video if no person is there"
        )
    if quality.shows == "face":
        yield "a face alone is shown: film from the chest up at least, as shoulders tell the motion"
    for end, frames in quality.outside.items():  # into half a film, hands come from below, too
        if frames.mean() > _RARE and (end == "head" or quality.shows == WHOLE):
            yield (
                f"{end} {'is' if end == 'head' else 'are'} beyond the frame's edge in "
                f"{_percent(frames)} of frames: film from farther away, or give the video a wider "
                "crop (none: the whole image)"
            )
    switches = quality.possible_switches
    if switches:
        yield (
            f"who was followed may have changed {'once' if switches == 1 else f'{switches} times'}:"
            " look at the preview of detect_keypoints, and set the video's person to the numbers "
            "of one person"
        )
    elif quality.with_others.mean() > _RARE:
        yield (
            f"others are in view in {_percent(quality.with_others)} of frames. Look at the preview "
            "of detect_keypoints; if the wrong one was followed, set the video's person to the "
            "number of the right one"
        )


def _detection(quality: ClipQuality) -> Iterator[str]:
    if 0 < quality.body_height_px < _TALL_ENOUGH_PX:
        yield (
            f"the person is about {quality.body_height_px:.0f} px tall; below "
            f"{_TALL_ENOUGH_PX} px hands and face are often lost: film nearer, keep "
            "crop at auto, or raise decode.size"
        )
    left, right, face = (
        quality.of_part(part) != MISSING for part in ("left hand", "right hand", "face")
    )
    frames = "frames"
    if quality.shows != WHOLE:  # hands come from below and leave
        frames = "frames that show both"
        left, right = (hand[~quality.outside["hands"]] for hand in (left, right))
    if len(left) and min(left.mean(), right.mean()) < _ENOUGH_OF_HANDS:
        yield (
            f"the left hand is known in {_percent(left)}, the right in {_percent(right)} of "
            f"{frames}: fast hands blur. Film nearer, with more light and a shorter exposure"
        )
    if face.mean() < _ENOUGH_OF_FACE:
        yield (
            f"the face is known in {_percent(face)} of frames: others show nothing of it. Film "
            "nearer, with light from the front, looking at the camera"
        )
    for limb, end in (("arm", "hands"), ("leg", "feet")):
        left, right = (quality.of_part(f"{side} {limb}") == MISSING for side in ("left", "right"))
        lost = quality.person_known & (left | right) & ~quality.outside[end]
        if lost.mean() > _RARE:
            yield (
                f"one {limb} or both are not found in {_percent(lost)} of frames though they "
                "should be in view. Unless occluded, wear clothes that contrast with the background"
            )


def _motion(quality: ClipQuality) -> Iterator[str]:
    misfits = quality.repairs.misfits
    if misfits.mean() > _RARE:
        yield (
            f"no body fits the joints in {_percent(misfits)} of frames, first at "
            f"{np.argmax(misfits) / quality.frame_rate:.1f} s. Look there for a cut, for someone "
            "else, or for blur, and cut it out of the video"
        )
    if quality.camera_speed is not None and quality.camera_speed > STILL_CAMERA:
        yield (
            f"the camera moves, by {100 * quality.camera_speed:.1f} % of the image's width per "
            "second: use a tripod; camera motion is mistaken for the person's"
        )
    elif quality.camera_wander is not None and quality.camera_wander > STEADY_CAMERA:
        yield (
            f"the view wanders by {100 * quality.camera_wander:.1f} % of the image's width, as of a"
            " camera in a hand: use a tripod"
        )


def _percent(frames: FrameMask) -> str:
    return f"{100 * frames.mean():.0f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePair:
    """Two frames, `PAIR_SECONDS` or so apart."""

    before: Frame
    after: Frame
    background: PixelMask
    """Pixels that the person covers in neither."""
    seconds: float


def camera_speed(pairs: Iterable[FramePair]) -> float | None:
    """How far the scene leaves the image's middle, widths a second; None without texture."""
    speeds = []
    for pair in pairs:
        height, width = pair.background.shape
        middle = np.array([width / 2, height / 2, 1.0])
        motions = _camera_motions([pair.before, pair.after], pair.background)
        ways = [math.dist(matrix @ middle, middle[:2]) / width for matrix in motions]
        speeds += [way / pair.seconds for way in ways]
    return float(np.quantile(speeds, _COUNTED_QUANTILE)) if speeds else None


def unusually_exposed(store: FrameStore) -> FrameMask:
    """Frames far darker or brighter than the clip's median: a black opening, a fade, a flash."""
    step = max(round(len(store) / _NUM_EXPOSURES), 1)
    levels = np.array([store[index].mean() for index in range(0, len(store), step)])
    usual = np.quantile(levels, 0.5, method="higher")  # of a frame: half of them may be brighter
    ratio = (levels + _NOISE_LEVELS) / (usual + _NOISE_LEVELS)
    unusual = np.abs(np.log(ratio)) > -np.log(_USUAL_EXPOSURE)
    if step > 1:  # it begins and ends somewhere between those measured
        unusual = np.convolve(unusual, np.ones(3), "same") > 0
    return np.repeat(unusual, step)[: len(store)]


def camera_wander(frames: Sequence[Frame], keypoints: Keypoints) -> float | None:
    """Standard deviation of the image's corners in the scene, widths; None without texture."""
    height, width = keypoints.image_size
    corners = np.array([[(0, 0), (width, 0), (0, height), (width, height)]], np.float64)
    motions = _camera_motions(frames, without_person(keypoints, (0,)))
    places = [cv2.transform(corners, matrix)[0] for matrix in motions]
    if len(places) < _FEWEST_PLACES:
        return None
    return float(np.sqrt(np.var(places, axis=0).sum(axis=1).mean()) / width)


def _camera_motions(frames: Sequence[Frame], background: PixelMask) -> Iterator[Affine]:
    """Similarities from the first frame's scene to others', where its background has texture.

    Points of the background are tracked into each frame (Lucas and Kanade 1981). A similarity that
    most of them follow (RANSAC) is the camera's motion, turns included.
    """
    first, *others = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    mask = background.astype(np.uint8)
    points = cv2.goodFeaturesToTrack(first, _MOST_POINTS, 0.01, _POINTS_APART_PX, mask=mask)
    for gray in others if points is not None else ():
        moved, found, _ = cv2.calcOpticalFlowPyrLK(first, gray, points, points.copy())
        is_found = found[:, 0] > 0
        if is_found.sum() < _FEWEST_POINTS:
            continue
        matrix, follows = cv2.estimateAffinePartial2D(
            points[is_found], moved[is_found], ransacReprojThreshold=1.0
        )
        if matrix is not None and follows.mean() > 0.5:
            yield matrix


def pairs_of_clip(store: FrameStore, keypoints: Keypoints) -> Iterator[FramePair]:
    """Frame pairs evenly spread over a clip; none if it is shorter than one pair."""
    step = max(1, round(PAIR_SECONDS * keypoints.frame_rate))
    if keypoints.num_frames <= step:
        return
    for start in evenly_spaced(range(keypoints.num_frames - step), count=_NUM_PAIRS):
        yield FramePair(
            before=store[start],
            after=store[start + step],
            background=without_person(keypoints, (start, start + step)),
            seconds=step / float(keypoints.frame_rate),
        )


def without_person(keypoints: Keypoints, frame_indices: tuple[int, ...]) -> PixelMask:
    """Mask of the pixels outside the person's box in all of some frames."""
    background = np.ones(keypoints.image_size, np.bool_)
    for index in frame_indices:
        joints = np.column_stack([keypoints.points[index], keypoints.score[index]])
        box = person_box(joints, image_size=keypoints.image_size)
        if box is not None:
            x0, y0, x1, y1 = box
            background[y0:y1, x0:x1] = False
    return background
