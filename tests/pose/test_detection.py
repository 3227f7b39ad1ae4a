import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motiontransfer.core.params import Compute
from motiontransfer.pose import detection
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.keypoints import Detections
from motiontransfer.pose.keypoints_file import write_detections
from motiontransfer.pose.landmarks import Detector
from motiontransfer.pose.skeleton import HOLISTIC
from tests.films import film
from tests.people import detections_of, frame_of, walker
from tests.pose.conftest import tasks_config

NUM_FRAMES = 11


def counted(frame, position, at_once):
    """Brightness of a frame, how many were seen and how many come at once.

    No person in dark frames, two in every fifth.
    """
    brightness = int(frame[0, 0, 0])
    count = 0 if brightness == 0 else 2 if brightness % 5 == 0 else 1
    found = [[[brightness, position, 1], [at_once, number, 1]] for number in range(count)]
    joints = np.array(found, np.float32).reshape(-1, 2, 3)
    return np.pad(joints, ((0, 0), (0, len(HOLISTIC.joints) - 2), (0, 0)))


@dataclass(frozen=True)
class Stub:
    """A detector that is a function like `counted`."""

    find: Callable = counted
    label: str = "counting"
    batch_frames: int = 1
    max_people: int = 2
    segment_frames: int = 4
    warmup_frames: int = 0

    @contextmanager
    def open(self) -> Iterator[Detector]:
        seen = itertools.count(1)
        yield lambda frames: [
            self.find(frame, next(seen), len(frames))[: self.max_people] for frame in frames
        ]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frames that are as bright as their index."""
    frames = [np.full((16, 32, 3), index, np.uint8) for index in range(NUM_FRAMES)]
    return film(tmp_path_factory.mktemp("clip") / "frames.mkv", frames)


@given(st.integers(1, 500), st.integers(1, 100), st.integers(0, 50))
def test_segments_count_each_frame_once_after_a_warm_up(num_frames, length, warmup):
    detector = Stub(segment_frames=length, warmup_frames=warmup)
    segments = detection.segments_of(num_frames, detector)
    counted = [frame for _, start, stop in segments for frame in range(start, stop)]
    assert counted == list(range(num_frames))
    for warmup_start, start, stop in segments:
        assert stop - start <= length
        assert start - warmup_start == min(warmup, start)


def detect(path, detector=None, *, function=detection.detect_people, num_workers=1, **settings):
    detector = detector or Stub()
    return function(path, detector=detector, compute=Compute(num_workers=num_workers), **settings)


@contextmanager
def without_workers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "run_parallel", lambda function, items, **_: map(function, items))
        yield


@pytest.fixture
def in_process():
    """Detect without workers."""
    with without_workers():
        yield


@pytest.mark.parametrize("num_workers", [1, 2])
def test_frames_are_detected_in_order_after_their_warm_up(clip, num_workers):
    found = detect(clip, Stub(warmup_frames=2), num_workers=num_workers)
    assert [len(people) for people in found] == [0, 1, 1, 1, 1, 2, 1, 1, 1, 1, 2]
    assert [people[0, 0, 0] for people in found[1:]] == list(range(1, NUM_FRAMES))
    seen = [people[0, 0, 1] for people in found[1:]]
    assert seen == [2, 3, 4, 3, 4, 5, 6, 3, 4, 5]


def test_a_photo_is_shown_as_often_as_a_segment_that_others_come_before(tmp_path, in_process):
    """A detector that follows a person begins with a guess."""
    photo = film(tmp_path / "photo.mkv", [np.full((16, 16, 3), 3, np.uint8)])
    (people,) = detect(photo, Stub(warmup_frames=5))
    assert people[:, 0, :2].tolist() == [[3, 6]]


@pytest.mark.parametrize("num_people", [1, 2])
def test_a_photo_is_looked_at_without_workers_however_many_are_in_it(tmp_path, num_people):
    asked = []

    def look(function, items, *, num_workers):
        asked.append(num_workers)
        return map(function, items)

    colors = (RED, BLUE)[:num_people]
    photo = [drawn({color: 40 + 60 * index for index, color in enumerate(colors)})]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "run_parallel", look)
        detect_each(tmp_path / "photo.mkv", photo)
    assert {*asked} == {None}


def test_sampled_frames_are_detected_without_those_between(clip, in_process):
    found = detect(clip, Stub(segment_frames=2, warmup_frames=1), every=3)
    assert [people[0, 0, :2].tolist() for people in found[1:]] == [[3, 2], [6, 2], [9, 3]]
    assert len(found[0]) == 0


def test_frames_come_in_batches_of_the_detectors_size():
    frames = [np.full((4, 4, 3), index + 1, np.uint8) for index in range(7)]
    found = detection.run_detector(Stub(batch_frames=3), iter(frames))
    assert [people[0, 1, 0] for people in found] == [3, 3, 3, 3, 3, 3, 1]
    assert [people[0, 0, 1] for people in found] == list(range(1, 8))


def test_a_single_person_is_missing_where_not_detected(clip, in_process):
    found = detect(clip, Stub(max_people=1), function=detection.detect_person)
    nose, score = found.joint("nose")
    assert nose[:, 0].tolist() == list(range(NUM_FRAMES))
    assert score.tolist() == [0, *[1] * (NUM_FRAMES - 1)]
    assert (found.image_size, found.frame_rate) == ((16, 32), 25)
    assert (found.detector, found.skeleton) == ("counting", HOLISTIC)


def rows_of(frames):
    """Detections of frames, each a dict of track number to a value that tells people apart."""
    joints = len(HOLISTIC.joints)
    return Detections.from_frames(
        [
            frame_of(*(np.full((joints, 3), (it, it, 1)) for it in frame.values()))
            for frame in frames
        ],
        [np.array(list(frame), np.int32) for frame in frames],
        image_size=(64, 64),
        frame_rate=Fraction(25),
        detector="by hand",
    )


def test_metrics_of_detection():
    detections = rows_of([{0: 1}, {0: 1, 1: 2}, {1: 2}, {}, {1: 2}])
    everyone = replace(detections, points=detections.points.copy(), score=detections.score.copy())
    face = HOLISTIC.slice("face")
    everyone.points[-1, face] = everyone.score[-1, face] = 0
    of_0 = dict.fromkeys(("body", "left_hand", "right_hand", "face"), 0.4)
    of_1 = dict.fromkeys(of_0, 0.6) | {"face": 0.4}
    counts = {"frames": 5, "people_at_once": 2}
    counts |= {"frames_without_anyone": 1, "frames_with_several": 1}
    tracks = {
        "0": {"first_frame": 0, "last_frame": 1, "coverage": of_0},
        "1": {"first_frame": 1, "last_frame": 4, "coverage": of_1},
    }
    assert detection.detection_metrics(everyone) == {**counts, "tracks": tracks}
    empty = {"frames": 2, "frames_without_anyone": 2, "frames_with_several": 0}
    empty |= {"people_at_once": 0, "tracks": {}}
    assert detection.detection_metrics(rows_of([{}, {}])) == empty


CROP_SIZE = (200, 300)


def crops_of(boxes, frame_index, num_frames):
    return detection.smooth_crops(
        boxes, frame_index, num_frames=num_frames, frame_rate=Fraction(25), image_size=CROP_SIZE
    )


@given(st.data(), st.integers(1, 60))
def test_a_crop_holds_the_person_and_lies_in_the_frame(data, num_frames):
    frames = data.draw(st.sets(st.integers(0, num_frames - 1), min_size=1))
    size = np.array(CROP_SIZE[::-1])
    shares = hnp.arrays(np.float64, (len(frames), 2, 2), elements=st.floats(0, 1, width=32))
    corners = data.draw(shares)
    boxes = (np.sort(corners, axis=1) * (size - 1)).reshape(-1, 4)
    crops = crops_of(boxes, np.array(sorted(frames), np.int32), num_frames)
    assert (crops[:, :2] >= 0).all()
    assert (crops[:, 2:] <= size).all()
    assert (crops[:, :2] <= boxes[:, :2]).all()
    assert (crops[:, 2:] > boxes[:, 2:]).all()


@pytest.mark.parametrize("step", [1, 3])
def test_a_step_aside_moves_the_crop_gradually_and_its_margin_is_a_quarter(step):
    x = np.where(np.arange(100) < 50, 100.0, 150.0)
    boxes = np.stack([x, np.full(100, 60.0), x + 20, np.full(100, 140.0)], axis=1)
    crops = crops_of(boxes[::step], np.arange(0, 100, step, dtype=np.int32), 100)
    assert crops[0].tolist() == [80, 40, 141, 161]
    assert crops[-1].tolist() == [130, 40, 191, 161]
    assert np.abs(np.diff(crops, axis=0)).max() <= 5 * step  # pixels a frame; the step is 50


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        *(((100,), (100,), 0), ((104,), (100,), 0), ((110,), (100,), 0)),
        *(((112,), (100,), None), ((120,), (100,), None)),
        *(((160,), (100,), None), ((80,), (100,), None)),
        *(((101,), (98, 104), 0), ((102,), (98, 104), 1), ((101,), (101, 104), 0)),
        ((), (50, 100), None),
    ],
)
def test_a_detection_in_a_crop_is_the_nearest_person_or_none(found, known, expected):
    tracks = {number: ([0, 1], (x,)) for number, x in enumerate(known)}
    bodies = detections_of(tracks, num_frames=2, image_size=CROP_SIZE)
    people = frame_of(*(walker(x, jitter=0.5) for x in found))
    rows = range(len(known), 2 * len(known))  # of frame 1; frame 0 has others
    same = [detection.is_same_person(people, bodies, row) for row in rows]
    assert same == [number == expected for number in range(len(known))]


SIZE, WIDTH, HEIGHT, FLOOR = (160, 240), 24, 80, 140
RED, BLUE = 200, 100  # the person, in the first channel; the second is the position
NUM_CROSSING = 60


def drawn(positions):
    """People as blocks; later ones stand in front."""
    frame = np.zeros((*SIZE, 3), np.uint8)
    for color, x in positions.items():
        left = x - WIDTH // 2
        frame[FLOOR - HEIGHT : FLOOR + 4, left : left + WIDTH] = (color, x, 0)
    return frame


def standing(x, bottom):
    return walker(x, bottom, HEIGHT * 0.95, without=["left_heel"])


def visible_bodies(frame, *_):
    """Each visible person, twice those at the left edge."""
    colors = np.unique(frame[..., 0].astype(int) * 256 + frame[..., 1])
    places = [x for x in (colors[colors > 0] % 256).tolist() for _ in range(2 if x < 30 else 1)]
    return frame_of(*(standing(x, FLOOR) for x in places))


def largest_person(frame, num_seen, _):
    """The person with most pixels, with hands and face; the last score counts the frames.

    World landmarks are as large as where each joint is in the crop.
    """
    counts = np.bincount(frame[..., 0][frame[..., 0] > 0], minlength=256)
    if not counts.any():
        return np.zeros((0, len(HOLISTIC.joints), 6), np.float32)
    rows, columns = np.nonzero(frame[..., 0] == counts.argmax())
    x, bottom = columns.mean() + 0.5, rows.max() - 3
    joints = standing(x, bottom)
    for group in ("left_hand", "right_hand", "face"):
        joints[HOLISTIC.slice(group)] = (x, bottom, 1)
    joints[-1, 2] = num_seen / 100
    people = frame_of(joints)
    return np.concatenate([people, np.where(people[..., 2:] > 0, people, 1)], axis=2)


SEGMENTS = {"batch_frames": 7, "segment_frames": 17}
DETECTORS = {
    "detector": Stub(largest_person, "single", warmup_frames=3, **SEGMENTS),
    "body_detector": Stub(visible_bodies, "bodies", **SEGMENTS),
}


def detect_each(path, frames, **settings):
    settings = settings or DETECTORS
    return detect(film(path, frames), function=detection.detect_clip, **settings)


def crossing(frame_index):
    """Red walks to the right, behind blue who walks to the left; they meet in frame 30."""
    return {RED: 60 + 2 * frame_index, BLUE: 180 - 2 * frame_index}


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    frames = [drawn(crossing(index)) for index in range(NUM_CROSSING)]
    with without_workers():
        return detect_each(tmp_path_factory.mktemp("crossing") / "frames.mkv", frames)


APART = np.array([abs(30 - index) > 1 for index in range(NUM_CROSSING)])  # not as good as one


@pytest.mark.parametrize(("person", "color"), [(0, RED), (1, BLUE)])
def test_people_who_cross_keep_their_own_hands_and_face(crossed, person, color):
    assert crossed.people == (0, 1)
    assert crossed.detector == "single, each person by bodies"
    expected = np.array([crossing(index)[color] for index in range(NUM_CROSSING)])
    found = crossed.of_person(person)
    nose, score = found.joint("nose")
    assert score[APART].all()
    np.testing.assert_allclose(nose[APART, 0], expected[APART], atol=1)
    # Where the blocks touch, 24 px apart, more is seen of blue, who is in front.
    touching = np.array([4 * abs(30 - index) <= WIDTH for index in range(NUM_CROSSING)])
    for joint in ("left_hand_wrist", "face_chin", HOLISTIC.joints[-1]):
        points, score = found.joint(joint)
        seen = APART & (score > 0)
        np.testing.assert_allclose(points[seen, 0], expected[seen], atol=6)
        np.testing.assert_array_equal(score[APART] == 0, touching[APART] & (color == RED))


def test_world_landmarks_stay_as_they_are_found_in_crops(crossed):
    """Not moved with the crop, and none where the body was found by the other detector."""
    world = crossed.world_of_person(1)
    score = crossed.of_person(1).score
    body = HOLISTIC.slice("body")
    np.testing.assert_array_equal(world[5, :, 2], np.where(score[5, body] > 0, score[5, body], 1))
    assert (world[APART][..., 2] > 0).all()
    assert np.abs(world[..., :2]).max() < 160  # crops begin at 0


@pytest.mark.parametrize("person", [0, 1])
def test_each_person_has_an_own_detector_with_warm_up(crossed, person):
    _, score = crossed.of_person(person).joint(HOLISTIC.joints[-1])
    seen = np.round(100 * score[:24]).tolist()
    assert seen == [*range(1, 18), *range(4, 11)]


def test_one_person_is_detected_in_whole_frames_even_if_found_twice(tmp_path, in_process):
    frames = [drawn({BLUE: 20 + index // 4}) for index in range(25)]
    found = detect_each(tmp_path / "frames.mkv", frames)
    alone = detect_each(tmp_path / "frames.mkv", frames, detector=DETECTORS["detector"])
    assert found.detector == alone.detector == "single"
    np.testing.assert_array_equal(found.points, alone.points)
    np.testing.assert_array_equal(found.frame_index, np.arange(25))


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_two_astronauts_have_a_face_each_in_the_same_bytes_with_any_number_of_workers(tmp_path):
    """MediaPipe, on two of whom the second moves to the right."""
    one = skimage.data.astronaut()[::2, ::2]
    frames = [np.hstack([one, np.roll(one[:, ::-1], shift, axis=1)]) for shift in range(8)]
    settings = {
        "detector": default_detector().model_copy(update={"segment_frames": 5, "warmup_frames": 2}),
        "body_detector": tasks_config(min_detection_confidence=0.3, segment_frames=5),
    }
    files = {num_workers: tmp_path / f"by_{num_workers}" for num_workers in (1, 2)}
    for num_workers, file in files.items():
        found = detect_each(tmp_path / "frames.mkv", frames, **settings, num_workers=num_workers)
        write_detections(file, found)
    assert files[1].read_bytes() == files[2].read_bytes()
    assert found.people == (0, 1)
    for person, x in ((0, np.full(8, 110)), (1, 512 - 110 + np.arange(8))):
        chin, score = found.of_person(person).joint("face_chin")
        assert score.all()
        np.testing.assert_allclose(chin, np.stack([x, np.full(8, 92)], axis=1), atol=6)
