import os
import re
import runpy
import signal
import sqlite3
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from motiontransfer.core import stage_runner
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.stage_runner import run

_FULL = "CUDA out of memory. Tried to allocate 2 GiB. GPU 0 is"
_STAGE = """\
error = None

def main(key):
    if error is not None:
        raise error
    return f"3 frames in {key}.mp4"
"""
_LEARN = """\
from motiontransfer.core.params import Compute, load_section

def main(key):
    load_section(Compute, "compute")
    load_section(dict, f"videos.{key}")
    load_section(dict, "learn")
    meanwhile()
    load_section(dict, "learn")

meanwhile = None
"""
_MODULES = {
    "__init__": "",
    "cut": _STAGE,
    "learn": _LEARN,
    "needs_gl": "raise ImportError('libGL.so.1: cannot open shared object file: No such file')",
    "needs_package": "import a_package_that_is_not_there",
    "plain": "def main(): print('done')",
    "render": f"def main(): raise type('OutOfMemoryError', (RuntimeError,), {{}})('{_FULL}')",
    "stopped": "def main(): raise KeyboardInterrupt",
}
_FULL_DISK = "No space left on device"
_ON_CPU = "run on the CPU: CUDA_VISIBLE_DEVICES="


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """A package of stages in the working directory, which is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("drawn_stages").mkdir()
    for name, text in _MODULES.items():
        Path(f"drawn_stages/{name}.py").write_text(text)
    yield "drawn_stages"
    for name in [name for name in sys.modules if name.startswith("drawn_stages")]:
        del sys.modules[name]


def test_a_stage_logs_its_result_in_one_line(stages, capsys, caplog):
    with caplog.at_level("INFO"):
        assert run(stages, ["plain"]) == run(stages, ["cut", "waltz"]) == 0
    assert capsys.readouterr().out == "done\n"
    assert caplog.messages == ["cut waltz: 3 frames in waltz.mp4"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stage_also_where_programs_of_a_script_ignore_it(monkeypatch, number):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(number, signal.SIG_IGN)
    monkeypatch.setattr(stage_runner, "run", lambda *_: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt):
        runpy.run_module("stages", run_name="__main__")
    for each, handler in before.items():
        signal.signal(each, handler)


def test_libraries_get_few_threads_unless_the_user_chose(stages, monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "2")
    run(stages, ["plain"])
    assert os.environ.pop("OPENBLAS_NUM_THREADS") == "1"
    assert os.environ["OPENCV_FOR_THREADS_NUM"] == "2"
    code = "import sys, motiontransfer.core.stage_runner; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["render"], 1, ["ERROR: render: a GPU's memory is full (", "decode.size", _ON_CPU]),
        (["ctu", "x"], 1, ["ERROR: ctu x: ", ", ".join([*_MODULES][1:])]),
        (["needs_gl", "x"], 1, ["ERROR: needs_gl x: libGL.so.1 ", "libgl1 libegl1"]),
        ([], 2, ["drawn_stages STAGE [NAME]"]),
        (["cut", "a", "b"], 2, ["drawn_stages cut KEY"]),
        (["plain", "a"], 2, ["drawn_stages plain"]),
        (["stopped"], 130, ["stopped: interrupted"]),
    ],
)
def test_each_mistake_is_one_line(stages, capsys, arguments, status, told):
    assert run(stages, arguments) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert all(part in line for part in told)


class AcceleratorError(RuntimeError):
    """As PyTorch's, which is known by its name."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ParamsError("a: wrong\nb: wrong"), ["a: wrong", "b: wrong"]),
        (ParamsError("\x1b[31mred"), ["?[31mred"]),
        (OSError(28, _FULL_DISK, "frames.mkv"), [_FULL_DISK, "frames.mkv"]),
        (PermissionError(13, "Permission denied", "a.mkv"), ["Permission denied", "a.mkv"]),
        (sqlite3.OperationalError("disk I/O error"), ["disk I/O error; "]),
        (OSError("24576 requested and 896 written"), ["the disk is full"]),
        (RuntimeError(f"I/O error: {_FULL_DISK} (os error 28)"), [_FULL_DISK]),
        (MemoryError("Unable to allocate 5 TiB"), ["out of memory (Unable to allocate 5 TiB); "]),
        (RuntimeError("CUDA error: out of memory\nSearch"), ["a GPU's memory is full (", _ON_CPU]),
        (AcceleratorError("illegal instruction\nSearch"), ["illegal instruction", _ON_CPU]),
        (RuntimeError("CUDA error: CUBLAS_STATUS_X when"), ["CUDA error: CUBLAS_ST", _ON_CPU]),
        (RuntimeError("cuDNN error: CUDNN_STATUS_X"), ["cuDNN error: CUDNN_STATUS_X", _ON_CPU]),
        (ImportError("libEGL.so.1: cannot open"), ["libEGL.so.1 ", "libgl1 libegl1"]),
        (ImportError("DLL load failed: it"), ["failed: it; install Microsoft's Visual C++"]),
    ],
)
def test_each_error_of_a_user_is_told_without_a_traceback(stages, capsys, monkeypatch, error, told):
    monkeypatch.setattr(import_module(f"{stages}.cut"), "error", error)
    assert run(stages, ["cut", "x"]) == 1
    text = capsys.readouterr().err
    assert all(part in text for part in told)
    num_lines = 2 if told == ["a: wrong", "b: wrong"] else 1
    assert text.count("\n") == text.count("ERROR: cut x: ") == num_lines


def test_a_bug_keeps_its_traceback(stages, monkeypatch):
    for error in (ZeroDivisionError(), FileNotFoundError(2, "No such file", "frames.mkv")):
        monkeypatch.setattr(import_module(f"{stages}.cut"), "error", error)
        with pytest.raises(type(error)):
            run(stages, ["cut", "x"])
    with pytest.raises(ImportError):
        run(stages, ["needs_package"])


_FILMS = """\
films:
  videos: {dance: {path: dance.mp4, subject: ada}, walk: {path: walk.mp4, subject: ada}}
"""
_PARAMS = """\
learn: {steps: 60, rates: [1, 2], limit: null}
render: {crf: 16}
compute: {num_workers: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("steps: 60", "steps: 4000", "learn"),
        ("limit: null", "limit: null, top: yes", "learn"),
        ("limit: null", "", "learn"),
        ("dance.mp4", "other.mp4", "videos.dance"),
        ("learn:", "learnt:", "learn"),
        ("crf: 16", "crf: 18", None),  # no input of this stage
        ("walk.mp4", "other.mp4", None),
        ("num_workers: 1", "num_workers: 2", None),
    ],
)
def test_a_param_that_was_read_may_not_change(stages, monkeypatch, capsys, old, new, changed):
    files = {Path("params.yaml"): _PARAMS, Path("films.yaml"): _FILMS}
    for file, text in files.items():
        file.write_text(text)

    def edit():
        for file, text in files.items():
            file.write_text(text.replace(old, new))

    monkeypatch.setattr(import_module(f"{stages}.learn"), "meanwhile", edit)
    monkeypatch.setenv("DVC_STAGE", "learn@dance")
    assert run(stages, ["learn", "dance"]) == (changed is not None)
    if changed is not None:
        [line] = capsys.readouterr().err.splitlines()
        assert re.search(rf"(params|films)\.yaml: {changed}", line)
        assert "missing; expected this key" in line or "dvc commit -f learn@dance" in line
