"""What runs when, by DVC's own reading of the graph and by the modules that a stage imports."""

import contextlib
import re
from pathlib import Path

import pytest
import yaml
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from dvc.stage.cache import _get_cache_hash
from networkx import descendants

from motiontransfer.core.params import flattened
from motiontransfer.core.stages import STAGES
from motiontransfer.core.storage import replacing, replacing_folder, source_digests
from stages import check_params
from stages.code import stage_modules
from tests.clone import ROOT, SHIPPED, copy_all, recorded
from tests.project_files import read_sections, write_sections

PARAMS = read_sections(SHIPPED)


def stages_in(root, **films):
    """DVC's stages of the default params, but for some sections."""
    copy_all(("dvc.yaml", "params.yaml", "films.yaml", "demo/dvc.yaml", "demo/params.yaml"), root)
    write_sections({**PARAMS, **films}, root)
    Repo.init(str(root), no_scm=True).close()
    with Repo(str(root)) as repo:
        return repo.index.stages


GUIDE = {"source": "demo_dance", "source_subject": "ben", "target": "ada"}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """DVC's stages by name, without their keys, of both pipelines."""
    scene = {"subject": "ben", "film": "demo/clips/source.mp4"}
    others = {"detectors": ["detector"], "guides": {"dance": GUIDE}, "in_film": {"t": GUIDE}}
    others |= {"scenes": {"demo_dance": scene}, "face_cycles": {"t": GUIDE}}
    stages = stages_in(tmp_path_factory.mktemp("graph"), **others)
    return {stage.name.split("@")[0]: stage for stage in stages}


LOCKS = {"": "dvc.lock", "demo/": "demo/dvc.lock"}


def test_the_record_in_git_is_of_the_default_graph(tmp_path):
    """Made by `python -m benchmarks.record`; what the code was then may differ."""
    stages = stages_in(tmp_path)
    default_graph = {
        f"{'demo/' if 'demo' in stage.path_in_repo else ''}{stage.name}": stage for stage in stages
    }
    of_record = {
        f"{folder}{name}": stage
        for folder, lock in LOCKS.items()
        for name, stage in yaml.safe_load(recorded(lock))["stages"].items()
    }
    assert of_record.keys() == default_graph.keys()
    for name, stage in default_graph.items():
        lock = of_record[name]
        assert lock["cmd"] == stage.cmd, name
        assert {dep["path"] for dep in lock["deps"]} == files_of(stage), name
        assert {out["path"] for out in lock["outs"]} == {out.def_path for out in stage.outs}, name
        listed = (dep for dep in stage.deps if isinstance(dep, ParamsDependency))
        read = {dep.def_path: {*flattened(dep.read_params())} for dep in listed}
        of_lock = {path: {*flattened(values)} for path, values in lock.get("params", {}).items()}
        assert of_lock == read, name


def params_of(stage):
    return [key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params]


def files_of(stage):
    return {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)}


def test_each_stage_is_registered_and_depends_on_its_code_and_on_no_module_by_itself(graph):
    assert set(graph) == set(STAGES) == {*stage_modules(), "code", "film"}
    for name, stage in graph.items():
        listed = {Path(dep).stem for dep in files_of(stage) if "artifacts/code/" in dep}
        assert listed == ({name} if name in stage_modules() else set())
        package = "demo" if name == "film" else "stages"
        assert stage.cmd.startswith(f"python -m {package} {name}")
        assert name == "film" or not any(dep.endswith(".py") for dep in files_of(stage))


def test_a_clone_need_not_film_whatever_is_edited_in_the_library(graph):
    """The clips are in git with the hashes of all that decides them."""
    assert files_of(graph["film"]) == {"demo/film.py", "demo/actors"}
    assert not any(out.use_cache for out in graph["film"].outs)
    for out in graph["film"].outs:
        assert (ROOT / out.def_path).stat().st_size, out.def_path


def test_whatever_a_stage_imports_makes_its_code_be_noted_again(graph):
    noted = files_of(graph["code"])
    for module in stage_modules().values():
        for path in source_digests(module):
            assert any(path == dep or path.startswith(f"{dep}/") for dep in noted), path


def rows_of_params():
    """(section, its keys or None for all others, stages) of docs/experiments.md's table."""
    page = (ROOT / "docs/experiments.md").read_text()
    table = page.split("| changed | runs again |\n|---|---|\n")[1].split("\n\n")[0]
    for row in table.splitlines():
        changed, stages = row.strip("| ").split(" | ")
        sections, _, keys = changed.partition(": ")
        for section in re.findall(r"`(\w+)`", sections):
            if changed.startswith("`") and isinstance(PARAMS.get(section), dict):
                yield section, re.findall(r"`(\w+)`", keys), set(re.findall(r"`(\w+)`", stages))


def test_the_page_says_what_runs_again_after_an_edit_of_params(graph):
    """Where its table has nothing, that is the stage of the section's name."""
    rows, sections = list(rows_of_params()), {*check_params.SECTIONS, "detect_keypoints"}
    own = {name: params_of(stage) for name, stage in graph.items()}
    for section, key in ((name, key) for name in sections for key in PARAMS[name]):
        found = [stages for name, keys, stages in rows if name == section and key in keys]
        found += [stages for name, keys, stages in rows if name == section and not keys]
        readers = {name for name in own if {section, f"{section}.{key}"} & {*own[name]}}
        assert readers == (found or [{section}])[0], f"{section}.{key}"
    without_report = {name for name in sections if not check_params.affects_results(name)}
    assert without_report == {"report", "train_forensics", "logging", "compute"}


def test_params_that_dvc_leaves_out_of_its_search_for_past_runs_are_in_a_file(graph):
    """It finds a past run whose other inputs are equal, and restores outputs of another size."""
    key = {"cmd": "c", "deps": [], "params": {"params.yaml": {"decode": {"size": 256}}}}
    other = {**key, "params": {"params.yaml": {"decode": {"size": 128}}}}
    assert _get_cache_hash(key) == _get_cache_hash(other)  # else no file is needed any more
    left_out = {"size", "nfiles"}
    for name, stage in graph.items():
        for listed in params_of(stage):
            section, _, own = listed.partition(".")
            keys = {own} if own else set(PARAMS.get(section) or ())
            assert not keys & left_out or name == "decode", listed
    film = yaml.safe_load((ROOT / "demo/params.yaml").read_text())
    assert not left_out & {key for section in film.values() for key in section}


def test_what_a_source_video_changes_is_no_input_of_training(graph):
    """Adding a source video and a transfer trains nothing but, where asked for, a face cycle and
    detectors of rendered video."""
    for name in ("segment_person", "fit_appearance", "train_gan", "train_face_gan"):
        own = {dep for dep in files_of(graph[name]) if dep.startswith("artifacts/")}
        constant = {"artifacts/params_checked.json", f"artifacts/code/{name}.json"}
        assert all("/ada" in dep for dep in own - constant), name
        sections = {key.split(".")[0] for key in params_of(graph[name])}
        assert sections <= check_params.SECTIONS.keys()
    assert not PARAMS["face_cycles"]
    assert PARAMS["detectors"] == []


def test_the_package_map_names_every_package_and_no_other():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"^((?:stages|demo|motiontransfer)/(?:\w+/)?)\s", page, flags=re.M))
    packages = {path.parent.name for path in (ROOT / "motiontransfer").glob("*/__init__.py")}
    assert named == {f"motiontransfer/{name}/" for name in packages} | {"stages/", "demo/"}


HOSTILE = "x; touch PWNED #"


def test_no_name_reaches_a_shell_before_it_is_checked(tmp_path, monkeypatch):
    """DVC puts names into commands and paths as they are; a stage runs after what it reads."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    Repo.init(no_scm=True).close()
    of = {"source": "v", "source_subject": HOSTILE, "target": HOSTILE}
    entries = {
        "videos": {"path": "v.mp4", "subject": HOSTILE},
        "transfers": {**of, "truth": "none"},
        "scenes": {"subject": HOSTILE, "film": "v.mp4"},
        **dict.fromkeys(("guides", "in_film", "face_cycles"), of),
    }
    empty = {name: {} for name in entries} | {"subjects": [], "targets": [], "detectors": []}
    for section, nothing in empty.items():
        names = [HOSTILE] if nothing == [] else {HOSTILE: entries[section]}
        write_sections({**PARAMS, **empty, section: names})
        with Repo() as repo:
            graph = repo.index.graph
            named = [stage for stage in graph if HOSTILE in stage.addressing]
            assert named
            for stage in named:
                before = {other.addressing for other in descendants(graph, stage)}
                assert "check_params" in before, stage.addressing


def test_a_temporary_file_of_a_killed_write_makes_no_stage_stale(tmp_path):
    (tmp_path / ".dvcignore").write_text((ROOT / ".dvcignore").read_text())
    Repo.init(str(tmp_path), no_scm=True).close()
    with Repo(str(tmp_path)) as repo:
        for kind, write in (("file.parquet", replacing), ("folder", replacing_folder)):
            with contextlib.suppress(RuntimeError), write(tmp_path / kind) as temporary:
                ignore = repo.dvcignore
                assert ignore.is_ignored_file(str(temporary)), temporary
                raise RuntimeError
