import hashlib

import pytest

from motiontransfer.errors import MissingFileError, MotionTransferError
from motiontransfer.report.provenance import file_facts, flattened, read_metrics, size_text


def test_a_file_is_known_by_its_hash_and_size(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"x" * 1500)
    (fact,) = file_facts({"generator": path})
    assert fact.role == "generator"
    assert fact.md5 == hashlib.md5(b"x" * 1500).hexdigest()
    assert fact.size == "1.5 kB"


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(999, "999 bytes"), (364_670, "364.7 kB"), (25_652_456, "25.7 MB")]
)
def test_sizes_are_written_as_people_do(num_bytes, text):
    assert size_text(num_bytes) == text


def test_nested_values_have_dotted_keys_as_in_params_yaml():
    tree = {"a": {"b": [1, 2], "c": None}, "d": True, "e": "word", "f": {}}
    assert flattened(tree) == {"a.b": "[1, 2]", "a.c": "null", "d": "true", "e": "word", "f": "{}"}


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone: no such file; `dvc repro`"):
        file_facts({"result": tmp_path / "gone"})
    with pytest.raises(MissingFileError, match=r"gone: no such metrics; `dvc repro`"):
        read_metrics(tmp_path / "gone")


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b'{"ssim": 0.', b"\xff", b"[" * 100_000])
def test_metrics_that_are_no_json_object_are_told_in_one_line(content, tmp_path):
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(MotionTransferError, match=r"metrics\.json: expected metrics, a") as error:
        read_metrics(tmp_path / "metrics.json")
    assert "\n" not in str(error.value)
