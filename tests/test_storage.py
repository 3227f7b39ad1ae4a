"""A file is whole or it is not there."""

import pytest

from motiontransfer.storage import replacing, replacing_folder, write_json


def test_the_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "new/folder/clip.parquet"
    with replacing(path) as temporary:
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
        with replacing(path) as temporary:
            temporary.write_text("half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_files_of_one_name_do_not_share_a_temporary_one(tmp_path):
    with replacing(tmp_path / "a.json") as one, replacing(tmp_path / "a.png") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a.json").read_text() == "1"


def test_json_ends_in_a_newline_and_has_finite_numbers_only(tmp_path):
    write_json(tmp_path / "a/b.json", {"ssim": 0.5})
    assert (tmp_path / "a/b.json").read_text() == '{\n  "ssim": 0.5\n}\n'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "metrics.json", {"loss": number})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "subject" / "clip"
    for name in ("old", "new"):
        with replacing_folder(folder) as work:
            (work / name).write_text(name)
    with pytest.raises(FileNotFoundError), replacing_folder(folder) as work:
        (work / "newer").rename(work / "nowhere" / "newer")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["clip"]
