import threading
import time
from contextlib import suppress

import grimp
import pytest

from motiontransfer.core import storage
from motiontransfer.core.stage_runner import fault
from motiontransfer.core.storage import params_lock, source_files
from stages.code import stage_modules
from tests.clone import ROOT


def test_a_file_appears_only_at_the_end_and_an_error_leaves_the_old_one(tmp_path):
    path = tmp_path / "new/folder/clip.parquet"
    with storage.replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename within one file system is atomic
        assert temporary.suffix == ".parquet"
    with suppress(KeyboardInterrupt), storage.replacing(path) as temporary:
        temporary.write_text("half of it")
        raise KeyboardInterrupt
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_json_ends_in_a_newline_and_has_finite_numbers_only(tmp_path):
    storage.write_json(tmp_path / "a/b.json", {"ssim": 0.5})
    assert (tmp_path / "a/b.json").read_text() == '{\n  "ssim": 0.5\n}\n'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            storage.write_json(tmp_path / "metrics.json", {"loss": number})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("replacing", [storage.replacing, storage.replacing_folder])
def test_a_full_disks_error_names_what_was_being_written(tmp_path, replacing):
    with pytest.raises(OSError, match="No space left") as info, replacing(tmp_path / "clip.mkv"):
        raise OSError(28, "No space left on device")
    told = f"{tmp_path / 'clip.mkv'}: [Errno 28] No space left on device; "
    assert fault(info.value).startswith(told)


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "subject" / "clip"
    for name in ("old", "new"):
        with storage.replacing_folder(folder) as work:
            (work / name).write_text(name)
    with pytest.raises(FileNotFoundError), storage.replacing_folder(folder) as work:
        (work / "newer").rename(work / "nowhere" / "newer")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["clip"]


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("motiontransfer", "stages", "demo", cache_dir=None)


TRAININGS = [f"motiontransfer.training.{name}" for name in ("pose_gan", "face_cycle")]


@pytest.mark.parametrize("module", [*TRAININGS, *stage_modules().values()])
def test_files_are_those_of_the_import_graph(module, imports):
    behind = {module, *imports.find_upstream_modules(module)}
    files = {ROOT / f"{name.replace('.', '/')}.py" for name in behind}
    assert set(source_files(module)) == {file for file in files if file.exists()}


def test_params_are_changed_by_one_command_at_a_time(tmp_path, caplog):
    """A thread stands in for another command: it has a lock of its own."""
    caplog.set_level("INFO", "motiontransfer.core.storage")
    (tmp_path / ".dvc").mkdir()
    order = []

    def change(name):
        with params_lock(tmp_path), params_lock(tmp_path):
            order.append(name)

    with params_lock(tmp_path):
        other = threading.Thread(target=change, args=("second",))
        other.start()
        while not caplog.messages:
            time.sleep(0.01)
        change("first")
    other.join()
    assert order == ["first", "second"]
    assert caplog.messages == ["waits for another command that changes params.yaml or films.yaml"]
