import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from motiontransfer.core import stage_runner
from motiontransfer.core.stage_runner import run
from tests.tiny_project import dvc

_STAGE = """\
import sqlite3

from motiontransfer.core.errors import ParamsError

class AcceleratorError(RuntimeError):
    pass

ERRORS = {
    "bad": ParamsError("a: wrong\\nb: wrong"),
    "bug": ZeroDivisionError("our own fault"),
    "stop": KeyboardInterrupt(),
    "full": OSError(28, "No space left on device", "frames.mkv"),
    "forbidden": PermissionError(13, "Permission denied", "frames.mkv"),
    "absent": FileNotFoundError(2, "No such file or directory", "frames.mkv"),
    "database": sqlite3.OperationalError("disk I/O error"),
    "numpy": OSError("24576 requested and 896 written"),
    "rust": RuntimeError("I/O error: No space left on device (os error 28)"),
    "memory": MemoryError("Unable to allocate 5 TiB"),
    "context": RuntimeError("CUDA error: out of memory\\nSearch for it"),
    "kernel": AcceleratorError("an illegal instruction was encountered\\nSearch for it"),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling it"),
    "cudnn": RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    "escape": ParamsError("\x1b[31mred"),
    "windows": ImportError("DLL load failed while importing _framework_bindings: not found"),
    "late": ImportError("libEGL.so.1: cannot open shared object file"),
}

def main(key):
    if key in ERRORS:
        raise ERRORS[key]
    return f"3 frames in {key}.mp4"
"""
_FULL = "CUDA out of memory. Tried to allocate 2 GiB. GPU 0 is"
_MODULES = {
    "__init__": "",
    "cut": _STAGE,
    "needs_gl": "raise ImportError('libGL.so.1: cannot open shared object file: No such file')",
    "needs_package": "import a_package_that_is_not_there",
    "plain": "def main(): print('done')",
    "render": f"def main(): raise type('OutOfMemoryError', (RuntimeError,), {{}})('{_FULL}')",
}
_FULL_DISK = "No space left on device"
_ON_CPU = "run on the CPU: CUDA_VISIBLE_DEVICES="


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules, run where they are, and forget them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    yield write
    for name in set(sys.modules) - before:
        if name.startswith(("drawn_stages", "toy")):
            del sys.modules[name]


@pytest.fixture
def stages(package):
    package({f"drawn_stages/{name}.py": text for name, text in _MODULES.items()})
    return "drawn_stages"


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


def test_libraries_get_few_threads_before_they_are_loaded_unless_the_user_chose(
    stages, monkeypatch
):
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
        (["cut", "bad"], 1, ["ERROR: cut bad: a: wrong", "ERROR: cut bad: b: wrong"]),
        (["cut", "full"], 1, ["ERROR: cut full: ", _FULL_DISK, "frames.mkv"]),
        (["cut", "forbidden"], 1, ["ERROR: cut forbidden: ", "Permission denied", "frames.mkv"]),
        (["cut", "database"], 1, ["ERROR: cut database: disk I/O error; "]),
        (["cut", "numpy"], 1, ["ERROR: cut numpy: the disk is full"]),
        (["cut", "rust"], 1, ["ERROR: cut rust: ", _FULL_DISK]),
        (["cut", "memory"], 1, ["ERROR: cut memory: out of memory (Unable to allocate 5 TiB); "]),
        (["render"], 1, ["ERROR: render: a GPU's memory is full (", "decode.size", _ON_CPU]),
        (["cut", "context"], 1, ["ERROR: cut context: a GPU's memory is full (", _ON_CPU]),
        (["cut", "kernel"], 1, ["ERROR: cut kernel: an illegal instruction", _ON_CPU]),
        (["cut", "cublas"], 1, ["ERROR: cut cublas: CUDA error: CUBLAS_STATUS", _ON_CPU]),
        (["cut", "cudnn"], 1, ["ERROR: cut cudnn: cuDNN error: CUDNN_STATUS", _ON_CPU]),
        (["cut", "escape"], 1, ["ERROR: cut escape: ?[31mred"]),
        (["ctu", "x"], 1, ["ERROR: ctu x: ", ", ".join([*_MODULES][1:])]),
        (["needs_gl", "x"], 1, ["ERROR: needs_gl x: libGL.so.1 ", "libgl1 libegl1"]),
        (["cut", "late"], 1, ["ERROR: cut late: libEGL.so.1 ", "libgl1 libegl1"]),
        (["cut", "windows"], 1, ["_framework_bindings: not found; install Microsoft's Visual C++"]),
        ([], 2, ["drawn_stages STAGE [NAME]"]),
        (["cut", "a", "b"], 2, ["drawn_stages cut KEY"]),
        (["plain", "a"], 2, ["drawn_stages plain"]),
        (["cut", "stop"], 130, ["cut: interrupted"]),
    ],
)
def test_each_user_error_is_one_line_without_a_traceback(stages, capsys, arguments, status, told):
    assert run(stages, arguments) == status
    text = capsys.readouterr().err
    assert all(part in text for part in told)
    assert len(text.splitlines()) == (2 if arguments == ["cut", "bad"] else 1)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [("cut bug", ZeroDivisionError), ("cut absent", OSError), ("needs_package", ImportError)],
)
def test_a_bug_keeps_its_traceback(stages, arguments, kind):
    with pytest.raises(kind):
        run(stages, arguments.split())


_PIPELINE = """\
vars: [films.yaml]
stages:
  learn:
    foreach: ${films.videos}
    do:
      cmd: python -m toy learn ${key}
      params: [learn, films.yaml: ["films.videos.${key}"]]
      outs: ["models/${key}"]
"""
_FILMS = """\
films:
  videos: {dance: {path: dance.mp4, subject: ada}, walk: {path: walk.mp4, subject: ada}}
"""
_PARAMS = """\
learn: {steps: 60, rates: [1, 2], limit: null}
render: {crf: 16}
compute: {num_workers: 1}
"""
_MAIN = """\
import subprocess
import sys
from motiontransfer.core.stage_runner import run
sys.exit(run("toy", sys.argv[1:]))
"""
_TOY = """\
import os
from pathlib import Path
from motiontransfer.core.params import Compute, load_section

def edit(old, new):
    files = Path("params.yaml"), Path("films.yaml")
    (file,) = (file for file in files if old in file.read_text())
    file.write_text(file.read_text().replace(old, new))

def main(key):
    load_section(Compute, "compute")
    load_section(dict, f"videos.{key}")
    load_section(dict, "learn")
    exec(os.environ.get("MEANWHILE", ""))
    load_section(dict, "learn")
    Path("models").mkdir(exist_ok=True)
    Path("models", key).write_text("made")
"""


@pytest.fixture
def project(package, tmp_path):
    """A project with a stage that does what is in MEANWHILE while it runs."""
    package(
        {
            **{"dvc.yaml": _PIPELINE, "params.yaml": _PARAMS, "films.yaml": _FILMS},
            **{"toy/__init__.py": "", "toy/__main__.py": _MAIN, "toy/learn.py": _TOY},
        }
    )
    return tmp_path


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
def test_a_param_that_was_read_and_edited_meanwhile_fails_the_stage(
    project, monkeypatch, capsys, old, new, changed
):
    monkeypatch.setenv("DVC_STAGE", "learn@dance")
    monkeypatch.setenv("MEANWHILE", f"edit({old!r}, {new!r})")
    assert run("toy", ["learn", "dance"]) == (changed is not None)
    if changed is not None:
        [line] = capsys.readouterr().err.splitlines()
        assert re.search(rf"(params|films)\.yaml: {changed}", line)
        assert "missing; expected this key" in line or "dvc commit -f learn@dance" in line


@pytest.mark.slow
def test_dvc_records_nothing_of_a_stage_whose_params_were_edited_meanwhile(project, monkeypatch):
    monkeypatch.setenv("MEANWHILE", "edit('steps: 60', 'steps: 4000')")
    dvc(project, "init", "--no-scm", "--quiet")
    failed = dvc(project, "repro", "learn@dance")
    assert failed.returncode
    assert "params.yaml: learn;" in failed.stderr
    assert not Path("dvc.lock").exists()
    # The advice of the message: the old value back, and what was made is recorded as made by it.
    Path("params.yaml").write_text(_PARAMS)
    assert not dvc(project, "commit", "-f", "learn@dance").returncode
    assert "didn't change, skipping" in dvc(project, "repro", "learn@dance").stdout
    recorded = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["learn@dance"]
    assert recorded["params"]["params.yaml"]["learn"]["steps"] == 60
