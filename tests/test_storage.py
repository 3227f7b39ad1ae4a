import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from motiontransfer import storage
from motiontransfer.training.weights import write_tensors


def test_the_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "new/folder/clip.parquet"
    with storage.replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename within one file system is atomic
        assert temporary.suffix == ".parquet"
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "clip.txt"
    path.write_text("before")

    def fail():
        with storage.replacing(path) as temporary:
            temporary.write_text("half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_files_of_one_name_do_not_share_a_temporary_one(tmp_path):
    with (
        storage.replacing(tmp_path / "a.json") as one,
        storage.replacing(tmp_path / "a.png") as other,
    ):
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a.json").read_text() == "1"


def test_json_ends_in_a_newline_and_has_finite_numbers_only(tmp_path):
    storage.write_json(tmp_path / "a/b.json", {"ssim": 0.5})
    assert (tmp_path / "a/b.json").read_text() == '{\n  "ssim": 0.5\n}\n'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            storage.write_json(tmp_path / "metrics.json", {"loss": number})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "subject" / "clip"
    for name in ("old", "new"):
        with storage.replacing_folder(folder) as work:
            (work / name).write_text(name)
    with pytest.raises(FileNotFoundError), storage.replacing_folder(folder) as work:
        (work / "newer").rename(work / "nowhere" / "newer")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["clip"]


def test_arrays_without_pytorch_are_the_same_bytes_as_its_tensors(tmp_path):
    arrays = {
        "one": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "two": np.linspace(0, 1, 4),
        "none": np.zeros((0, 4), np.int32),
    }
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    storage.write_arrays(tmp_path / "arrays.safetensors", arrays, description={"key": 1})
    write_tensors(
        tmp_path / "tensors.safetensors", tensors, description=storage.versioned({"key": 1})
    )
    written = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert written[0] == written[1]


def test_rows_of_bytes_take_no_more_in_a_table_than_they_are(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (5, 1000), np.uint8)
    storage.write_table(tmp_path / "rows.parquet", {"rows": rows}, key="key", description={})
    columns, _ = storage.read_table(tmp_path / "rows.parquet", key="key")
    np.testing.assert_array_equal(columns["rows"], rows)
    kind = pq.read_schema(tmp_path / "rows.parquet").field("rows").type
    assert str(kind) == "fixed_size_binary[1000]"
