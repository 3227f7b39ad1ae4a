from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motiontransfer.core.errors import KeypointsError
from motiontransfer.core.storage import read_table, write_table
from motiontransfer.pose import keypoints as module
from motiontransfer.pose import keypoints_file
from motiontransfer.pose.skeleton import Skeleton
from tests.people import RATE, dance

SKELETON = Skeleton(groups=(("body", ("nose", "left_ankle")), ("face", ("face_chin",))))


DESCRIBED = {"skeleton": SKELETON, "image_size": (48, 64), "detector": "by hand"}


def example(frames=3, **changes):
    points = np.arange(6 * frames, dtype=np.float32).reshape(frames, 3, 2)
    score = np.linspace(0.25, 1, 3 * frames, dtype=np.float32).reshape(frames, 3)
    joints = {"points": points, "score": score}
    rate = {"frame_rate": Fraction(30000, 1001)}
    return module.Keypoints(**{**DESCRIBED, **joints, **rate, **changes})


def assert_same(read, written, *names):
    """In these arrays, or in their absence, and in all else."""
    for name in names:
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert replace(written, **{name: getattr(read, name) for name in names}) == read


@st.composite
def any_arrays(draw):
    """Points, scores and marks; made into keypoints outside, as runtime type checks are random."""
    frames = draw(st.integers(0, 5))
    score = draw(hnp.arrays(np.float32, (frames, 3), elements=st.floats(0, 1, width=32)))
    points = draw(hnp.arrays(np.float32, (frames, 3, 2), elements=st.floats(-99, 999, width=32)))
    filled = draw(st.none() | hnp.arrays(bool, (frames, 3)))
    points[score == 0] = 0
    return points, score, None if filled is None else filled & (score > 0)


@settings(deadline=None, max_examples=25)
@given(any_arrays())
def test_what_is_written_is_what_is_read(tmp_path_factory, arrays):
    keypoints = example(points=arrays[0], score=arrays[1], filled=arrays[2])
    path = tmp_path_factory.mktemp("keypoints") / "a" / "clip.parquet"
    keypoints_file.write_keypoints(path, keypoints)
    assert_same(keypoints_file.read_keypoints(path), keypoints, "points", "score", "filled")


def test_a_table_has_one_row_a_frame_and_one_column_a_group(tmp_path):
    filled, depth = np.zeros((3, 3), bool), np.zeros((3, 3), np.float32)
    filled[1, [0, 2]], depth[2, 1] = True, -0.25
    one, path = tmp_path / "one.parquet", tmp_path / "two.parquet"
    for file in (one, path):
        keypoints_file.write_keypoints(file, example(filled=filled, depth=depth))
    assert path.read_bytes() == one.read_bytes()
    table = pq.read_table(path)
    names = "frame_index pts_seconds person body face body_filled face_filled body_depth face_depth"
    assert table.column_names == names.split()
    assert table.schema.field("body").type == pa.list_(pa.float32(), 6)
    assert table["body"][1].as_py() == [6, 7, pytest.approx(0.53125), 8, 9, pytest.approx(0.625)]
    assert table["pts_seconds"][2].as_py() == pytest.approx(2 * 1001 / 30000)
    assert table["body_filled"].to_pylist() == [[False, False], [True, False], [False, False]]
    assert table["face_filled"].to_pylist() == [[False], [True], [False]]
    assert table["body_depth"].to_pylist() == [[0, 0], [0, 0], [0, -0.25]]
    assert keypoints_file.read_keypoints(path).part([2]).depth.tolist() == [[0, -0.25, 0]]


KEY = "motiontransfer.keypoints"


def column(name, change):
    return lambda columns: columns | {name: change(columns[name])}


def rows(*indices):
    return lambda columns: {it: values[np.array(indices, int)] for it, values in columns.items()}


def without(gone):
    return lambda columns: {name: values for name, values in columns.items() if name != gone}


@pytest.mark.parametrize(
    ("change", "description", "named"),
    [
        (dict, {"schema_version": 99}, "schema version 2, got 99"),
        (dict, {"image_size": 48}, "TypeError"),
        (dict, {"frame_rate": "0"}, "above 0"),
        (dict, {"frame_rate": "fast"}, "'fast'"),
        (dict, {"groups": [["body", ["nose"]]]}, "ValueError"),
        *((rows(*it), {}, f"3 frames, .* got {len(it)} rows") for it in ([0, 2], [])),
        *((rows(*it), {}, "3 frames.*out of order") for it in ([0, 1, 1, 2], [0, 2, 1])),
        (column("face", lambda values: values[:, :2]), {}, "ValueError"),
        (column("body", lambda values: 0 * values + 7), {}, "scores"),
        *((without(gone), {}, f"KeyError: '{gone}'") for gone in ("frame_index", "face")),
    ],
)
def test_invalid_files_are_refused(tmp_path, change, description, named):
    path = tmp_path / "clip.parquet"
    keypoints_file.write_keypoints(path, example())
    columns, before = read_table(path, key=KEY)
    write_table(path, change(columns), key=KEY, description=before | description)
    with pytest.raises(KeypointsError, match=rf"clip\.parquet: .*{named}"):
        keypoints_file.read_keypoints(path)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


ONE = example()
MISSING = {"points": changed(ONE.points, (1, 1), 0), "score": changed(ONE.score, (1, 1), 0)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"score": MISSING["score"]}, "made up"),
        (MISSING | {"filled": changed(np.zeros((3, 3), bool), (1, 1), True)}, "filled in"),
        ({"points": changed(ONE.points, (0, 0, 0), np.nan)}, "finite"),
        ({"points": changed(ONE.points, (0, 0, 0), np.inf)}, "finite"),
        ({"score": changed(ONE.score, (2, 1), -0.1)}, "scores"),
        ({"score": changed(ONE.score, (2, 1), 1.1)}, "scores"),
        ({"skeleton": Skeleton(groups=SKELETON.groups[:1])}, r"points \(3, 2, 2\)"),
    ],
)
def test_invalid_keypoints_are_refused(changes, named):
    with pytest.raises(KeypointsError, match=named):
        example(**changes)


def test_joints_are_selected_by_name():
    points, score = example().joint("face_chin")
    assert points.tolist() == [[4, 5], [10, 11], [16, 17]]
    assert score[0] == pytest.approx(0.4375)
    with pytest.raises(KeypointsError, match=r"no joint 'tail' .*by hand"):
        example().joint("tail")


def detections_at(places, **changes):
    """Detections with a row for each (frame, person), every row with numbers of its own."""
    frames, people = np.array(places, np.int32).reshape(-1, 2).T
    keypoints = example(frames=len(places))
    rows = {"frame_index": frames.copy(), "person": people.copy(), "num_frames": 4}
    joints = {"points": keypoints.points, "score": keypoints.score, "frame_rate": Fraction(25)}
    return module.Detections(**{**DESCRIBED, **rows, **joints, **changes})


NUM_BODY_JOINTS = len(dict(SKELETON.groups)["body"])
PLACES = [(0, 0), (0, 2), (2, 0), (2, 1), (2, 2)]


@settings(deadline=None, max_examples=25)
@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9))), st.booleans())
def test_detections_survive_the_disk(tmp_path_factory, places, has_world):
    world = world_of(places) if has_world else None
    written = detections_at(sorted(places), world=world)
    path = tmp_path_factory.mktemp("detections") / "a" / "clip.parquet"
    keypoints_file.write_detections(path, written)
    names = ("frame_index", "person", "points", "score", "world")
    assert_same(keypoints_file.read_detections(path), written, *names)


def world_of(places):
    """Numbers of their own for each row."""
    shape = (len(places), NUM_BODY_JOINTS, 3)
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_world_landmarks_are_those_of_a_person():
    world = world_of(PLACES)
    detections = detections_at(PLACES, world=world)
    np.testing.assert_array_equal(detections.without(0, 1).world, world[[1, 4]])
    of_person = detections.world_of_person(2)
    np.testing.assert_array_equal(of_person[[0, 2]], world[[1, 4]])
    assert not of_person[[1, 3]].any()
    assert detections_at(PLACES).world_of_person(2) is None
    text = rf"world landmarks of shape \(5, {NUM_BODY_JOINTS}, 3\), got"
    with pytest.raises(KeypointsError, match=text):
        detections_at(PLACES, world=world[:, :1])


def test_a_person_is_missing_where_not_detected():
    detections = detections_at(PLACES)
    assert detections.people == (0, 1, 2)
    person = detections.of_person(2)
    for name in ("points", "score"):
        seen, expected = (getattr(person, name), getattr(detections, name)[[1, 4]])
        np.testing.assert_array_equal(seen[[0, 2]], expected)
        assert not getattr(person, name)[[1, 3]].any()
    assert (person.image_size, person.frame_rate, person.detector) == ((48, 64), 25, "by hand")
    with pytest.raises(KeypointsError, match=r"person 3 .*\(0, 1, 2\)"):
        detections.of_person(3)


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ([(0, 0), (4, 0)], "frame_index .* 0 to 4"),
        ([(-1, 0), (0, 0)], "frame_index .* -1 to 0"),
        ([(0, -1)], "person .* -1"),
        ([(0, 0), (0, 0)], "frame 0, person 0 after frame 0, person 0"),
        ([(0, 1), (0, 0)], "frame 0, person 0 after frame 0, person 1"),
        ([(2, 0), (1, 0)], "frame 1, person 0 after frame 2, person 0"),
    ],
)
def test_invalid_rows_are_refused(places, named):
    with pytest.raises(KeypointsError, match=named):
        detections_at(places)


def test_detections_and_keypoints_are_different_files(tmp_path):
    path = tmp_path / "clip.parquet"
    keypoints_file.write_detections(path, detections_at([]))
    read = keypoints_file.read_detections(path)
    assert (read.people, read.num_frames) == ((), 4)
    keypoints_file.write_detections(path, detections_at(PLACES))
    with pytest.raises(KeypointsError, match=r"4 frames, .* got 5 rows"):
        keypoints_file.read_keypoints(path)
    columns, description = read_table(path, key=KEY)
    write_table(path, rows(0, 2, 1)(columns), key=KEY, description=description)
    with pytest.raises(KeypointsError, match=r"clip\.parquet: .*order"):
        keypoints_file.read_detections(path)
    keypoints_file.write_keypoints(path, example(filled=np.ones((3, 3), bool)))
    with pytest.raises(KeypointsError, match=r"clip\.parquet: .*filled in"):
        keypoints_file.read_detections(path)


def test_the_table_has_one_row_a_frame_and_joint():
    keypoints = dance(3, missing=[1])
    joints = keypoints.skeleton.joints
    filled = np.zeros(keypoints.score.shape, bool)
    filled[2, joints.index("nose")] = True
    table = module.keypoint_table(replace(keypoints, filled=filled))
    assert list(table.joint) == list(joints) * 3
    assert list(table.frame_index) == sorted([0, 1, 2] * len(joints))
    assert table.seconds.iloc[-1] == 2 / float(RATE)
    first_of_hand = keypoints.skeleton.slice("left_hand").start
    assert table.group[first_of_hand - 1 : first_of_hand + 1].tolist() == ["body", "left_hand"]
    row = table.query("frame_index == 2 and joint == 'left_wrist'").iloc[0]
    points, score = keypoints.joint("left_wrist")
    assert (row.x, row.y, row.score) == (*points[2], score[2])
    assert table[table.frame_index == 1][["x", "y"]].isna().all(axis=None)
    assert table[table.filled][["frame_index", "joint"]].to_numpy().tolist() == [[2, "nose"]]


def test_resized_keypoints_are_in_the_other_image_and_missing_ones_stay_missing():
    """The corners of an image have their outer pixels' centers half a pixel inside."""
    keypoints = example()
    keypoints.points[1, 2], keypoints.score[1, 2] = 0, 0
    resized = keypoints.resized((24, 128))
    expected = (keypoints.points + 0.5) * (2, 0.5) - 0.5
    expected[1, 2] = 0
    np.testing.assert_allclose(resized.points, expected, atol=1e-6)
    assert resized.image_size == (24, 128)
    assert keypoints.resized((48, 64)) is keypoints
