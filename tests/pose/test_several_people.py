"""Everyone has a body, hands and a face, and nobody has someone else's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import skimage.data

from motiontransfer.keypoints import People
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import Detectors, detect_clip, detect_several, parts_of
from motiontransfer.pose.detectors.mediapipe_tasks import TasksConfig
from motiontransfer.pose.detectors.registry import default_detector
from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.video.frame_store import FrameWriter
from tests.pose.walkers import frame_of, walker

SIZE, WIDTH, HEIGHT, FLOOR = (160, 240), 24, 80, 140
RED, BLUE = 200, 100  # of the first channel: who it is; the second is where they stand
NUM_FRAMES = 60
ONE_GROUP_MORE = Skeleton(groups=(*HOLISTIC.groups, ("face_mesh", ("face_mesh_0",))))


def picture(places):
    """People as blocks; who comes later stands in front."""
    frame = np.zeros((*SIZE, 3), np.uint8)
    for who, x in places.items():
        left = x - WIDTH // 2
        frame[FLOOR - HEIGHT : FLOOR + 4, left : left + WIDTH] = (who, x, 0)
    return frame


def standing(x, bottom):
    return walker(x, bottom, HEIGHT * 0.95)


class Finder:
    """Sees everyone of whom a bit can be seen, twice those at the left edge."""

    def detect(self, frames):
        return [self.people(frame) for frame in frames]

    def people(self, frame):
        seen = sorted({tuple(colour) for colour in frame.reshape(-1, 3).tolist()} - {(0, 0, 0)})
        places = [x for _, x, _ in seen for _ in range(2 if x < 30 else 1)]
        return frame_of(*(standing(x, FLOOR) for x in places))


class Single:
    """Sees whoever takes up most of what it is shown, with hands and face.

    The last joint's score is the number of frames seen so far, in hundredths.
    """

    def __init__(self):
        self.seen = 0

    def detect(self, frames):
        return [self.person(frame) for frame in frames]

    def person(self, frame):
        self.seen += 1
        whos = frame[..., 0]
        counts = np.bincount(whos[whos > 0], minlength=256)
        if not counts.any():
            return People(
                points=np.zeros((0, 116, 2), np.float32), score=np.zeros((0, 116), np.float32)
            )
        rows, columns = np.nonzero(whos == counts.argmax())
        x, bottom = columns.mean() + 0.5, rows.max() - 3
        points, score = standing(x, bottom)
        for group in ("left_hand", "right_hand", "face"):
            points[HOLISTIC.slice(group)], score[HOLISTIC.slice(group)] = (x, bottom), 1
        return People(
            points=np.concatenate([points, [[x, bottom]]])[None].astype(np.float32),
            score=np.concatenate([score, [self.seen / 100]])[None].astype(np.float32),
        )


@dataclass(frozen=True)
class StubConfig:
    label: str
    batch_frames: int = 7

    @property
    def skeleton(self) -> Skeleton:
        return HOLISTIC if self.label == "finder" else ONE_GROUP_MORE

    @contextmanager
    def open(self) -> Iterator[Finder | Single]:
        yield Finder() if self.label == "finder" else Single()


DETECTORS = Detectors(single=StubConfig("single"), finder=StubConfig("finder"))


def detect(path, frames, *, num_workers=1, detectors=DETECTORS):
    with FrameWriter(path, size=frames[0].shape[:2], frame_rate=Fraction(25)) as writer:
        for frame in frames:
            writer.write(frame)
    return detect_several(
        path,
        detectors=detectors,
        segment_frames=17,
        warmup_frames=3,
        compute=Compute(backend="local", address=None, num_workers=num_workers),
    )


def crossing(frame_index):
    """Red walks to the right, behind blue who walks to the left; they meet in frame 30."""
    return {RED: 60 + 2 * frame_index, BLUE: 180 - 2 * frame_index}


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    frames = [picture(crossing(index)) for index in range(NUM_FRAMES)]
    return detect(tmp_path_factory.mktemp("crossing") / "frames.mkv", frames)


APART = np.array([abs(30 - index) > 1 for index in range(NUM_FRAMES)])  # not as good as one


@pytest.mark.parametrize(("person", "who"), [(0, RED), (1, BLUE)])
def test_two_who_cross_stay_two_and_themselves(crossed, person, who):
    assert crossed.people == (0, 1)
    expected = np.array([crossing(index)[who] for index in range(NUM_FRAMES)])
    nose, score = crossed.of_person(person).joint("nose")
    assert score[APART].all()
    np.testing.assert_allclose(nose[APART, 0], expected[APART], atol=1)


@pytest.mark.parametrize(("person", "who"), [(0, RED), (1, BLUE)])
def test_everyone_has_their_own_hands_and_face(crossed, person, who):
    expected = np.array([crossing(index)[who] for index in range(NUM_FRAMES)])
    for joint in ("left_hand_wrist", "face_chin", "face_mesh_0"):
        points, score = crossed.of_person(person).joint(joint)
        seen = APART & (score > 0)
        np.testing.assert_allclose(points[seen, 0], expected[seen], atol=6)
        # Where the blocks touch, 24 px apart, more is seen of blue, who is in front.
        touching = np.array([4 * abs(30 - index) <= WIDTH for index in range(NUM_FRAMES)])
        np.testing.assert_array_equal(score[APART] == 0, touching[APART] & (who == RED))


@pytest.mark.parametrize("person", [0, 1])
def test_everyone_has_a_detector_of_their_own_and_a_warm_up(crossed, person):
    _, score = crossed.of_person(person).joint("face_mesh_0")
    seen = np.round(100 * score[:24]).tolist()
    assert seen == [*range(1, 18), *range(4, 11)]


def test_the_label_names_both_detectors(crossed):
    assert crossed.detector == "single, each person by finder"
    assert crossed.skeleton == ONE_GROUP_MORE


def test_the_number_of_workers_changes_nothing(crossed, tmp_path):
    frames = [picture(crossing(index)) for index in range(NUM_FRAMES)]
    again = detect(tmp_path / "frames.mkv", frames, num_workers=2)
    for name in ("frame_index", "person", "points", "score"):
        np.testing.assert_array_equal(getattr(again, name), getattr(crossed, name))


def test_one_person_is_looked_at_in_the_whole_frame_even_if_found_twice(tmp_path):
    frames = [picture({BLUE: 20 + index // 4}) for index in range(25)]
    found = detect(tmp_path / "frames.mkv", frames)
    alone = detect_clip(
        tmp_path / "frames.mkv",
        detector=DETECTORS.single,
        segment_frames=17,
        warmup_frames=3,
        compute=Compute(backend="local", address=None, num_workers=1),
    )
    assert found.detector == alone.detector == "single"
    np.testing.assert_array_equal(found.points, alone.points)
    np.testing.assert_array_equal(found.frame_index, np.arange(25))


def test_an_empty_room_has_nobody(tmp_path):
    assert detect(tmp_path / "frames.mkv", [picture({})] * 12).people == ()


def test_each_row_has_a_part_around_its_own_person(crossed):
    parts = parts_of(crossed)
    for row, (frame_index, person) in enumerate(
        zip(crossed.frame_index, crossed.person, strict=True)
    ):
        x = crossing(int(frame_index))[(RED, BLUE)[person]]
        assert parts[row, 0] <= x - WIDTH / 2
        assert parts[row, 2] >= x + WIDTH / 2


@pytest.mark.slow
def test_two_astronauts_have_a_face_each(tmp_path):
    one = skimage.data.astronaut()[::2, ::2]
    frames = [
        np.concatenate([one, np.roll(one[:, ::-1], shift, axis=1)], axis=1) for shift in range(12)
    ]
    finder = TasksConfig(
        model="wheel",
        max_people=3,
        min_detection_confidence=0.3,
        min_presence_confidence=0.5,
        min_visibility=0.3,
    )
    detectors = Detectors(single=default_detector(), finder=finder)
    found = detect(tmp_path / "frames.mkv", frames, detectors=detectors)
    assert found.people == (0, 1)
    left, right = (found.of_person(person) for person in found.people)
    chin, score = left.joint("face_chin")
    assert score.all()
    np.testing.assert_allclose(chin, np.tile([110, 92], (12, 1)), atol=6)
    chin, score = right.joint("face_chin")
    assert score.all()
    np.testing.assert_allclose(chin[:, 0], 512 - 110 + np.arange(12), atol=6)
