"""Keypoints hold only what was found, and survive the disk."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.keypoints import Keypoints, read_keypoints, to_long_table, write_keypoints
from motiontransfer.skeleton import Skeleton

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
        and replace(one, points=other.points, score=other.score) == other
    )


@st.composite
def any_arrays(draw):
    """Points and scores; made into keypoints outside, as runtime type checks are random."""
    frames = draw(st.integers(1, 5))
    score = draw(hnp.arrays(np.float32, (frames, 3), elements=st.floats(0, 1, width=32)))
    points = draw(hnp.arrays(np.float32, (frames, 3, 2), elements=st.floats(-99, 999, width=32)))
    return np.where(score[..., None] > 0, points, np.float32(0)), score


@settings(deadline=None, max_examples=25)
@given(any_arrays())
def test_what_is_written_is_what_is_read(tmp_path_factory, arrays):
    keypoints = example(points=arrays[0], score=arrays[1])
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


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"absent\.parquet: no such keypoints file"):
        read_keypoints(tmp_path / "absent.parquet")


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_file_is_told(tmp_path, keep):
    path = tmp_path / "clip.parquet"
    write_keypoints(path, example())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(KeypointsError, match=r"clip\.parquet: not a Parquet file"):
        read_keypoints(path)


def rewritten(path, change_table=lambda table: table, **metadata):
    """Write the example again with other metadata or columns."""
    write_keypoints(path, example())
    table = pq.read_table(path)
    content = json.loads(table.schema.metadata[b"motiontransfer.keypoints"])
    content = json.dumps({**content, **metadata}).encode()
    table = change_table(table).replace_schema_metadata({b"motiontransfer.keypoints": content})
    pq.write_table(table, path)


def test_another_schema_version_is_refused(tmp_path):
    rewritten(tmp_path / "clip.parquet", schema_version=99)
    with pytest.raises(KeypointsError, match="schema version 1, got 99"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_table_of_something_else_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(KeypointsError, match="schema version 1, got None"):
        read_keypoints(tmp_path / "other.parquet")


def test_missing_rows_are_told(tmp_path):
    rewritten(tmp_path / "clip.parquet", lambda table: table.take([0, 2]))
    with pytest.raises(KeypointsError, match="rows are missing or out of order"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_table_without_frame_indices_is_refused(tmp_path):
    rewritten(tmp_path / "clip.parquet", lambda table: table.drop_columns(["frame_index"]))
    with pytest.raises(KeypointsError, match="expected one row a frame"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_missing_column_is_told(tmp_path):
    rewritten(tmp_path / "clip.parquet", lambda table: table.drop_columns(["face"]))
    with pytest.raises(KeypointsError, match=r"column face: expected .*, got no such column"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_value_that_cannot_be_is_told_with_the_file(tmp_path):
    def spoil(table):
        body = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2, 7] * 6, pa.float32()), 6)
        return table.set_column(table.column_names.index("body"), "body", body)

    rewritten(tmp_path / "clip.parquet", spoil)
    with pytest.raises(KeypointsError, match=r"clip\.parquet: expected scores in \[0, 1\]"):
        read_keypoints(tmp_path / "clip.parquet")


def test_a_position_of_a_missing_joint_is_refused():
    score = example().score.copy()
    score[1, 1] = 0
    with pytest.raises(KeypointsError, match="made up"):
        example(score=score)


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


def test_the_long_table_has_a_row_a_joint_and_no_made_up_positions():
    keypoints = example()
    points, score = keypoints.points.copy(), keypoints.score.copy()
    points[1, 1], score[1, 1] = 0, 0
    table = to_long_table(replace(keypoints, points=points, score=score))
    assert len(table) == 9
    row = table[(table.frame_index == 1) & (table.joint == "face_chin")].iloc[0]
    assert (row.group, row.x, row.y) == ("face", 10, 11)
    assert row.pts_seconds == pytest.approx(1001 / 30000)
    missing = table[table.score == 0]
    assert missing.joint.tolist() == ["left_ankle"]
    assert missing[["x", "y"]].isna().all().all()
