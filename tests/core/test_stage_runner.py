import os
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from dvc.parsing import DataResolver
from dvc.repo import Repo

from motiontransfer.core.stage_runner import fault, run, stage_inputs
from motiontransfer.core.stages import STAGES
from motiontransfer.core.storage import source_digests
from stages.code import stage_modules
from tests.tiny_project import ROOT, dvc

_STAGE = """\
import sqlite3

from motiontransfer.core.errors import ParamsError

class AcceleratorError(RuntimeError):
    pass

ERRORS = {
    "bad": ParamsError("a: wrong\\nb: wrong"),
    "bug": ZeroDivisionError("our own fault"),
    "stop": KeyboardInterrupt(),
    "full": OSError(28, "full", "frames.mkv"),
    "database": sqlite3.OperationalError("disk I/O error"),
    "numpy": OSError("24576 requested and 896 written"),
    "rust": RuntimeError("I/O error: No space left on device (os error 28)"),
    "memory": MemoryError("Unable to allocate 5 TiB"),
    "context": RuntimeError("CUDA error: out of memory\\nSearch for it"),
    "kernel": AcceleratorError("an illegal instruction was encountered\\nSearch for it"),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling it"),
    "cudnn": RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    "escape": ParamsError("\x1b[31mred"),
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


def test_libraries_are_told_of_threads_and_memory_unless_the_user_chose(stages, monkeypatch):
    told = {
        **{"GOMP_SPINCOUNT": "2000", "OPENCV_FOR_THREADS_NUM": "1", "OPENBLAS_NUM_THREADS": "1"},
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    for chosen in (None, "2"):
        for name in told:
            monkeypatch.setenv(name, chosen or "")
            if chosen is None:
                monkeypatch.delenv(name)
        run(stages, ["plain"])
        assert {name: os.environ[name] for name in told} == (
            dict.fromkeys(told, chosen) if chosen else told
        )


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["cut", "bad"], 1, ["ERROR: cut bad: a: wrong", "ERROR: cut bad: b: wrong"]),
        (["cut", "full"], 1, [f"ERROR: cut full: frames.mkv: {_FULL_DISK}; "]),
        (["cut", "database"], 1, ["ERROR: cut database: disk I/O error; "]),
        (["cut", "numpy"], 1, [f"ERROR: cut numpy: {_FULL_DISK}; "]),
        (["cut", "rust"], 1, [f"ERROR: cut rust: {_FULL_DISK}; "]),
        (["cut", "memory"], 1, ["ERROR: cut memory: out of memory (Unable to allocate 5 TiB); "]),
        (["render"], 1, ["ERROR: render: a GPU's memory is full (", "decode.size", _ON_CPU]),
        (
            ["cut", "context"],
            1,
            ["ERROR: cut context: a GPU's memory is full (CUDA error", _ON_CPU],
        ),
        (["cut", "kernel"], 1, ["ERROR: cut kernel: an illegal instruction", _ON_CPU]),
        (["cut", "cublas"], 1, ["ERROR: cut cublas: CUDA error: CUBLAS_STATUS", _ON_CPU]),
        (["cut", "cudnn"], 1, ["ERROR: cut cudnn: cuDNN error: CUDNN_STATUS", _ON_CPU]),
        (["cut", "escape"], 1, ["ERROR: cut escape: ?[31mred"]),
        (["ctu", "x"], 1, ["ERROR: ctu x: ", ", ".join([*_MODULES][1:])]),
        (["needs_gl", "x"], 1, ["ERROR: needs_gl x: libGL.so.1 ", "libgl1 libegl1"]),
        (["cut", "late"], 1, ["ERROR: cut late: libEGL.so.1 ", "libgl1 libegl1"]),
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


def test_each_stage_that_can_fill_a_gpu_names_params_to_lower():
    on_gpu = {
        name
        for name, module in stage_modules().items()
        if "motiontransfer/core/device.py" in source_digests(module)
    }
    on_cpu = {"check_params", "decode", "encode"}  # import it for what they call on a CPU
    named = {name: stage.gpu_memory_params for name, stage in STAGES.items()}
    assert {name for name, params in named.items() if params} == on_gpu - on_cpu
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage, names in named.items():
        if not names:
            continue
        for section, key in re.findall(r"(\w+)\.(\w+)", names):
            assert key in params[section], names
        message = fault(torch.OutOfMemoryError("CUDA out of memory."), stage=stage)
        assert message.startswith(f"a GPU's memory is full (CUDA out of memory.); lower {names}, ")
        assert "\n" not in message


@pytest.mark.parametrize(
    ("arguments", "kind"), [(["cut", "bug"], ZeroDivisionError), (["needs_package"], ImportError)]
)
def test_a_bug_keeps_its_traceback(stages, arguments, kind):
    with pytest.raises(kind):
        run(stages, arguments)


_PIPELINE = """\
stages:
  learn:
    foreach: ${videos}
    do:
      cmd: python -m toy learn ${key}
      params: ["videos.${key}", learn]
      deps: ["${item.path}", "frames/${item.subject}"]
      outs: ["models/${key}"]
  watch:
    foreach: [ada, ben]
    do:
      cmd: python -m toy watch ${item}
      deps: ["frames/${item}"]
      outs: ["seen/${item}"]
  other:
    cmd: python -m toy other
    params: [{other.yaml: [film.size]}]
    outs: [other]
"""
_PARAMS = """\
videos: {dance: {path: dance.mp4, subject: ada}, walk: {path: walk.mp4, subject: ada}}
learn: {steps: 60, rates: [1, 2], limit: null}
render: {crf: 16}
"""
_MAIN = """\
import sys
from motiontransfer.core.stage_runner import run
sys.exit(run("toy", sys.argv[1:]))
"""
_TOY = """\
import os
from pathlib import Path

def edit(name, old, new):
    text = Path(name).read_text()
    assert old in text
    Path(name).write_text(text.replace(old, new))

def main(*key):
    exec(os.environ.get("MEANWHILE", ""))
    out = Path("/".join([OUT, *key]))
    out.parent.mkdir(exist_ok=True)
    out.write_text("made")
"""


@pytest.fixture
def project(package, tmp_path):
    """A project of stub stages, which do what is in MEANWHILE while they run."""
    outs = {"learn": "models", "watch": "seen", "other": "other"}
    package(
        {
            **{"dvc.yaml": _PIPELINE, "params.yaml": _PARAMS},
            "other.yaml": "film: {size: 8, samples: 1}\n",
            **{"dance.mp4": "dance", "walk.mp4": "walk"},
            **{"frames/ada/clip/index": "1", "frames/ben/clip/index": "2"},
            **{"toy/__init__.py": "", "toy/__main__.py": _MAIN},
            **{f"toy/{name}.py": f"OUT = {out!r}\n{_TOY}" for name, out in outs.items()},
        }
    )
    return tmp_path


@pytest.fixture
def run_meanwhile(project, monkeypatch):
    """Run a stage as DVC does, with something done while it runs."""

    def run_stage(stage, meanwhile):
        monkeypatch.setenv("DVC_STAGE", stage)
        monkeypatch.setenv("MEANWHILE", meanwhile)
        return run("toy", stage.split("@"))

    return run_stage


_MORE_STEPS = "edit('params.yaml', 'steps: 60', 'steps: 4000')"
_CHANGES = [
    ("learn@dance", _MORE_STEPS, "params.yaml: learn.steps (60 → 4000)"),
    (
        "learn@dance",
        "edit('params.yaml', '[1, 2]', '[1]'); edit('params.yaml', 'limit: null', 'top: yes')",
        "params.yaml: learn.rates ([1, 2] → [1]), params.yaml: learn.limit (removed), "
        "params.yaml: learn.top (added)",
    ),
    (
        "learn@walk",
        "edit('params.yaml', 'walk.mp4', 'other.mp4')",
        'params.yaml: videos.walk.path ("walk.mp4" → "other.mp4")',
    ),
    ("other", "edit('other.yaml', '8', '9')", "other.yaml: film.size (8 → 9)"),
    (
        "learn@dance",
        "Path('new').write_text('other'); os.replace('new', 'dance.mp4')",
        "dance.mp4 (overwritten)",
    ),
    ("learn@dance", "os.utime('dance.mp4', ns=(1, 1))", "dance.mp4 (overwritten)"),
    ("watch@ben", "Path('frames/ben/new').touch()", "frames/ben/new (added)"),
    ("watch@ben", "os.remove('frames/ben/clip/index')", "frames/ben/clip/index (removed)"),
    (
        "watch@ben",
        "[Path(f'frames/ben/{n}').touch() for n in range(5)]",
        "frames/ben/0 (added), frames/ben/1 (added), frames/ben/2 (added), and 2 more",
    ),
]


@pytest.mark.parametrize(("stage", "meanwhile", "changed"), _CHANGES)
def test_an_input_that_changed_meanwhile_fails_the_stage(
    run_meanwhile, capsys, stage, meanwhile, changed
):
    assert run_meanwhile(stage, meanwhile) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"ERROR: {stage.replace('@', ' ')}: changed while this stage ran: {changed}; "
    )
    assert f"dvc commit -f {stage}" in line


@pytest.mark.parametrize(
    ("stage", "meanwhile"),
    [
        ("learn@dance", "edit('params.yaml', 'crf: 16', 'crf: 18')"),
        ("learn@dance", "edit('params.yaml', 'walk.mp4', 'other.mp4')"),
        ("learn@dance", "Path('walk.mp4').write_text('other')"),
        ("learn@dance", "Path('frames/ada/clip/index').read_bytes()"),
        ("watch@ben", "Path('frames/ada/new').touch()"),
        ("watch@ben", "os.makedirs('frames/ben/__pycache__/x')"),
        ("other", "edit('other.yaml', 'samples: 1', 'samples: 2')"),
    ],
)
def test_other_files_and_params_may_change_meanwhile(run_meanwhile, stage, meanwhile):
    assert run_meanwhile(stage, meanwhile) == 0


def test_what_a_stage_raises_for_want_of_an_input_is_told_with_the_change(run_meanwhile, capsys):
    read = "os.remove('dance.mp4'); Path('dance.mp4').read_text()"
    assert run_meanwhile("learn@dance", read) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "No such file or directory: 'dance.mp4'; " in line
    assert "changed while this stage ran: dance.mp4 (removed); run `dvc repro` again" in line


def test_an_error_that_no_change_explains_stays_as_it_is(run_meanwhile):
    with pytest.raises(FileNotFoundError):
        run_meanwhile("learn@dance", "Path('walk.mp4').unlink(); Path('walk.mp4').read_text()")
    with pytest.raises(ZeroDivisionError):
        run_meanwhile("learn@dance", "os.remove('dance.mp4'); 1 / 0")


def test_an_entry_removed_before_its_stage_began_is_named(run_meanwhile, capsys):
    assert run_meanwhile("learn@waltz", "") == 1
    assert "params.yaml: waltz: missing; it was there when" in capsys.readouterr().err


def test_without_dvc_nothing_is_compared(project, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.setenv("MEANWHILE", _MORE_STEPS)
    assert run("toy", ["learn", "dance"]) == 0


@pytest.mark.parametrize("pipeline", ["dvc.yaml", "demo/dvc.yaml"])
def test_inputs_are_resolved_as_dvc_resolves_them(pipeline, monkeypatch):
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load(Path(pipeline).read_text())
    resolver = DataResolver(Repo(), str(Path(pipeline).parent), content)
    addresses = list(resolver.get_keys())
    assert addresses
    for address in addresses:
        expected = resolver.resolve_one(address)[address]
        inputs = (expected.get("params", []), expected.get("deps", []))
        assert stage_inputs(Path(pipeline), address) == inputs


@pytest.mark.slow
def test_dvc_records_nothing_of_a_stage_whose_params_were_edited_meanwhile(project, monkeypatch):
    monkeypatch.setenv("MEANWHILE", _MORE_STEPS)
    dvc(project, "init", "--no-scm", "--quiet")
    failed = dvc(project, "repro", "learn@dance")
    assert failed.returncode
    assert "params.yaml: learn.steps (60 → 4000)" in failed.stderr
    assert not Path("dvc.lock").exists()
    # The advice of the message: the old value back, and what was made is recorded as made by it.
    Path("params.yaml").write_text(_PARAMS)
    assert not dvc(project, "commit", "-f", "learn@dance").returncode
    assert "didn't change, skipping" in dvc(project, "repro", "learn@dance").stdout
    recorded = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["learn@dance"]
    assert recorded["params"]["params.yaml"]["learn"]["steps"] == 60
