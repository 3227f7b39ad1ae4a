"""Keypoints hold what was found and say what was filled in; they survive the disk."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motiontransfer.errors import DamagedFileError, KeypointsError, MissingFileError
from motiontransfer.keypoints import (
    Detections,
    Keypoints,
    keypoint_table,
    read_detections,
    read_keypoints,
    write_detections,
    write_keypoints,
)
from motiontransfer.skeleton import Skeleton
from motiontransfer.tables import read_table, write_table
from tests.dancer import RATE, dance

SKELETON = Skeleton(groups=(("body", ("nose", "left_ankle")), ("face", ("face_chin",))))


def example(frames=3, **changes):
    score = np.linspace(0.25, 1, 3 * frames, dtype=np.float32).reshape(frames, 3)
    points = np.arange(6 * frames, dtype=np.float32).reshape(frames, 3, 2)
    values = {
        "points": points,
        "score": score,
        "skeleton": SKELETON,
        "image_size": (48, 64),
        "frame_rate": Fraction(30000, 1001),
        "detector": "by hand",
    }
    return Keypoints(**{**values, **changes})


def equal(one, other):
    return (
        np.array_equal(one.points, other.points)
        and np.array_equal(one.score, other.score)
        and type(one.filled) is type(other.filled)
        and (one.filled is None or np.array_equal(one.filled, other.filled))
        and replace(one, points=other.points, score=other.score, filled=other.filled) == other
    )


@st.composite
def any_arrays(draw):
    """Points, scores and marks; made into keypoints outside, as runtime type checks are random."""
    frames = draw(st.integers(0, 5))
    score = draw(hnp.arrays(np.float32, (frames, 3), elements=st.floats(0, 1, width=32)))
    points = draw(hnp.arrays(np.float32, (frames, 3, 2), elements=st.floats(-99, 999, width=32)))
    filled = draw(st.none() | hnp.arrays(bool, (frames, 3)))
    points = np.where(score[..., None] > 0, points, np.float32(0))
    return points, score, None if filled is None else filled & (score > 0)


@settings(deadline=None, max_examples=25)
@given(any_arrays())
def test_what_is_written_is_what_is_read(tmp_path_factory, arrays):
    keypoints = example(points=arrays[0], score=arrays[1], filled=arrays[2])
    path = tmp_path_factory.mktemp("keypoints") / "a" / "clip.parquet"
    write_keypoints(path, keypoints)
    assert equal(read_keypoints(path), keypoints)


def test_the_same_keypoints_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_keypoints(tmp_path / f"{name}.parquet", example())
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.parquet", "two.parquet"]


def test_a_table_has_one_row_a_frame_and_one_column_a_group(tmp_path):
    path = tmp_path / "clip.parquet"
    write_keypoints(path, example())
    table = pq.read_table(path)
    assert table.column_names == ["frame_index", "pts_seconds", "person", "body", "face"]
    assert table.schema.field("body").type == pa.list_(pa.float32(), 6)
    assert table["body"][1].as_py() == [6, 7, pytest.approx(0.53125), 8, 9, pytest.approx(0.625)]
    assert table["pts_seconds"][2].as_py() == pytest.approx(2 * 1001 / 30000)


def test_what_was_filled_in_has_columns_of_its_own(tmp_path):
    filled = np.zeros((3, 3), bool)
    filled[1, [0, 2]] = True
    write_keypoints(tmp_path / "clip.parquet", example(filled=filled))
    table = pq.read_table(tmp_path / "clip.parquet")
    assert table.column_names[3:] == ["body", "face", "body_filled", "face_filled"]
    assert table["body_filled"].to_pylist() == [[False, False], [True, False], [False, False]]
    assert table["face_filled"].to_pylist() == [[False], [True], [False]]


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"absent\.parquet: no such keypoints file"):
        read_keypoints(tmp_path / "absent.parquet")


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_file_is_told(tmp_path, keep):
    path = tmp_path / "clip.parquet"
    write_keypoints(path, example())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedFileError, match=r"clip\.parquet: damaged: not a Parquet file"):
        read_keypoints(path)


def rewritten(path, change=lambda columns: columns, **description):
    """Write the example again with another description or columns."""
    write_keypoints(path, example())
    columns, before = read_table(path, key="motiontransfer.keypoints")
    description = {**before, **description}
    write_table(path, change(columns), key="motiontransfer.keypoints", description=description)


def test_another_schema_version_is_refused(tmp_path):
    rewritten(tmp_path / "clip.parquet", schema_version=99)
    with pytest.raises(KeypointsError, match="schema version 2, got 99"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_table_of_something_else_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DamagedFileError, match=r"other\.parquet: expected checksums .*, got none"):
        read_keypoints(tmp_path / "other.parquet")


def test_a_description_that_cannot_be_is_told(tmp_path):
    rewritten(tmp_path / "clip.parquet", image_size=48)
    with pytest.raises(KeypointsError, match=r"clip\.parquet: not a keypoints file \(TypeError"):
        read_keypoints(tmp_path / "clip.parquet")


@pytest.mark.parametrize("rows", [[0, 2], [0, 1], [], [0, 1, 1, 2], [0, 2, 1]])
def test_missing_rows_are_told(tmp_path, rows):
    def take(columns):
        return {name: values[np.array(rows, int)] for name, values in columns.items()}

    rewritten(tmp_path / "clip.parquet", take)
    with pytest.raises(KeypointsError, match=rf"each of 3 frames, .* got {len(rows)} rows; some"):
        read_keypoints(tmp_path / "clip.parquet")


@pytest.mark.parametrize("name", ["frame_index", "face"])
def test_a_missing_column_is_told(tmp_path, name):
    rewritten(
        tmp_path / "clip.parquet",
        lambda columns: {other: columns[other] for other in columns if other != name},
    )
    with pytest.raises(KeypointsError, match=f"no column {name}"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_column_of_another_type_is_told(tmp_path):
    rewritten(
        tmp_path / "clip.parquet", lambda columns: {**columns, "face": columns["face"][:, :2]}
    )
    with pytest.raises(KeypointsError, match=r"column face: expected .*\(3,\).*, got .*\(2,\)"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_value_that_cannot_be_is_told_with_the_file(tmp_path):
    body = np.tile(np.float32([1, 2, 7]), (3, 2))
    rewritten(tmp_path / "clip.parquet", lambda columns: {**columns, "body": body})
    with pytest.raises(KeypointsError, match=r"clip\.parquet: expected scores in \[0, 1\]"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_position_of_a_missing_joint_is_refused():
    score = example().score.copy()
    score[1, 1] = 0
    with pytest.raises(KeypointsError, match="made up"):
        example(score=score)


def test_a_missing_joint_is_not_filled_in():
    points, score = example().points.copy(), example().score.copy()
    points[1, 1], score[1, 1] = 0, 0
    filled = np.zeros((3, 3), bool)
    filled[1, 1] = True
    with pytest.raises(KeypointsError, match="marked as filled in, got a missing joint"):
        example(points=points, score=score, filled=filled)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    points = example().points.copy()
    points[0, 0, 0] = bad
    with pytest.raises(KeypointsError, match="finite"):
        example(points=points)


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_scores_out_of_range_are_refused(bad):
    score = example().score.copy()
    score[2, 1] = bad
    with pytest.raises(KeypointsError, match=r"scores in \[0, 1\]"):
        example(score=score)


def test_points_of_another_skeleton_are_refused():
    with pytest.raises(KeypointsError, match=r"expected points \(3, 2, 2\)"):
        example(skeleton=Skeleton(groups=(("body", ("nose", "left_ankle")),)))


def test_a_joint_is_asked_for_by_name():
    points, score = example().joint("face_chin")
    assert points.tolist() == [[4, 5], [10, 11], [16, 17]]
    assert score[0] == pytest.approx(0.4375)
    with pytest.raises(KeypointsError, match=r"no joint 'tail' .*by hand"):
        example().joint("tail")


def everyone(places, **changes):
    """Detections with a row for each (frame, person), every row with numbers of its own."""
    frames, people = np.array(places, np.int32).reshape(-1, 2).T
    keypoints = example(frames=len(places))
    values = {
        "frame_index": frames.copy(),
        "person": people.copy(),
        "points": keypoints.points,
        "score": keypoints.score,
        "num_frames": 4,
        "skeleton": SKELETON,
        "image_size": (48, 64),
        "frame_rate": Fraction(25),
        "detector": "by hand",
    }
    return Detections(**{**values, **changes})


PLACES = [(0, 0), (0, 2), (2, 0), (2, 1), (2, 2)]


@settings(deadline=None, max_examples=25)
@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9))))
def test_everyone_written_is_everyone_read(tmp_path_factory, places):
    written = everyone(sorted(places))
    path = tmp_path_factory.mktemp("detections") / "a" / "clip.parquet"
    write_detections(path, written)
    read = read_detections(path)
    for name in ("frame_index", "person", "points", "score"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    arrays = {name: getattr(read, name) for name in ("frame_index", "person", "points", "score")}
    assert replace(written, **arrays) == read


def test_a_person_is_missing_where_they_were_not_seen():
    detections = everyone(PLACES)
    assert detections.people == (0, 1, 2)
    person = detections.of_person(2)
    assert person.num_frames == 4
    np.testing.assert_array_equal(person.points[[0, 2]], detections.points[[1, 4]])
    np.testing.assert_array_equal(person.score[[0, 2]], detections.score[[1, 4]])
    assert not person.points[[1, 3]].any()
    assert not person.score[[1, 3]].any()
    assert (person.image_size, person.frame_rate, person.detector) == ((48, 64), 25, "by hand")
    with pytest.raises(KeypointsError, match=r"no person 3 in this clip; there are \(0, 1, 2\)"):
        detections.of_person(3)


def test_a_clip_without_anyone_has_no_people(tmp_path):
    write_detections(tmp_path / "clip.parquet", everyone([]))
    read = read_detections(tmp_path / "clip.parquet")
    assert (read.people, read.num_frames) == ((), 4)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([(0, 0), (4, 0)], "frame_index in 0 to 3, got 0 to 4"),
        ([(-1, 0), (0, 0)], "frame_index in 0 to 3, got -1 to 0"),
        ([(0, -1)], "person numbers from 0, got -1"),
        ([(0, 0), (0, 0)], "frame 0, person 0 after frame 0, person 0"),
        ([(0, 1), (0, 0)], "frame 0, person 0 after frame 0, person 1"),
        ([(2, 0), (1, 0)], "frame 1, person 0 after frame 2, person 0"),
    ],
)
def test_rows_that_cannot_be_are_told(places, message):
    with pytest.raises(KeypointsError, match=message):
        everyone(places)


def test_detections_that_cannot_be_are_told_with_the_file(tmp_path):
    path = tmp_path / "clip.parquet"
    write_detections(path, everyone(PLACES))
    columns, description = read_table(path, key="motiontransfer.keypoints")
    columns = {name: values[[0, 2, 1]] for name, values in columns.items()}
    write_table(path, columns, key="motiontransfer.keypoints", description=description)
    with pytest.raises(KeypointsError, match=r"clip\.parquet: expected rows in order of frame"):
        read_detections(path)


def test_one_person_in_every_frame_is_no_less_a_detection(tmp_path):
    write_keypoints(tmp_path / "clip.parquet", example())
    detections = read_detections(tmp_path / "clip.parquet")
    assert detections.people == (0,)
    assert equal(detections.of_person(0), example())


def test_everyone_is_not_taken_for_one_person(tmp_path):
    write_detections(tmp_path / "clip.parquet", everyone(PLACES))
    with pytest.raises(KeypointsError, match=r"one row for each of 4 frames, .* got 5 rows"):
        read_keypoints(tmp_path / "clip.parquet")


def test_positions_that_were_filled_in_are_not_detections(tmp_path):
    write_keypoints(tmp_path / "clip.parquet", example(filled=np.ones((3, 3), bool)))
    with pytest.raises(KeypointsError, match=r"clip\.parquet: holds positions that were filled in"):
        read_detections(tmp_path / "clip.parquet")


def test_there_is_one_row_for_every_joint_of_every_frame_in_order():
    keypoints = dance(3)
    table = keypoint_table(keypoints)
    joints = list(keypoints.skeleton.joints)
    assert list(table.joint) == joints * 3
    assert list(table.frame_index) == sorted([0, 1, 2] * len(joints))
    assert table.seconds.iloc[-1] == 2 / float(RATE)
    first_of_hand = keypoints.skeleton.slice("left_hand").start
    assert table.group[first_of_hand - 1] == "body"
    assert table.group[first_of_hand] == "left_hand"


def test_a_position_stands_in_the_row_of_its_frame_and_joint():
    keypoints = dance(3)
    row = keypoint_table(keypoints).query("frame_index == 2 and joint == 'left_wrist'").iloc[0]
    points, score = keypoints.joint("left_wrist")
    assert (row.x, row.y) == tuple(points[2])
    assert row.score == score[2]


def test_missing_joints_have_no_position_and_no_score():
    table = keypoint_table(dance(3, missing=[1]))
    gone = table[table.frame_index == 1]
    assert gone.x.isna().all()
    assert gone.y.isna().all()
    assert (gone.score == 0).all()
    assert table[table.joint == "nose"].x.notna().tolist() == [True, False, True]


def test_positions_that_were_filled_in_are_marked():
    keypoints = dance(2)
    filled = np.zeros(keypoints.score.shape, bool)
    filled[1, keypoints.skeleton.index("nose")] = True
    table = keypoint_table(replace(keypoints, filled=filled))
    assert table[table.filled].joint.tolist() == ["nose"]
    assert table[table.filled].frame_index.tolist() == [1]
    assert not keypoint_table(keypoints).filled.any()
