import ast
import contextlib
import importlib
import re
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from networkx import descendants

from motiontransfer.core import layout, stages
from motiontransfer.core.params import Section, load_section
from motiontransfer.core.storage import replacing, replacing_folder, source_digests
from motiontransfer.pose.detectors import load_detector
from motiontransfer.rendering.rendered import RenderParams
from stages import check_params
from stages.code import stage_modules

ROOT = Path(__file__).parents[2]
PIPELINES = ("dvc.yaml", "demo/dvc.yaml")
PACKAGES = ("motiontransfer", "stages", "demo")


def _stages() -> list[tuple[str, str, dict]]:
    """(pipeline file, stage name, its definition) of every stage."""
    found = []
    for file in PIPELINES:
        pipeline = yaml.safe_load((ROOT / file).read_text())
        for name, stage in pipeline["stages"].items():
            found.append((file, name, stage.get("do", stage)))
    return found


STAGES = _stages()
IDS = [name for _, name, _ in STAGES]


def _module(definition: dict) -> str:
    package, name = re.match(r"python -m (\w+) (\w+)", definition["cmd"]).groups()
    return f"{package}.{name}"


@pytest.mark.parametrize(("file", "name", "definition"), STAGES, ids=IDS)
def test_each_stage_depends_on_its_code_and_on_no_module_by_itself(file, name, definition):
    listed = {dep for dep in definition["deps"] if dep.endswith(".py") or "/code/" in dep}
    if name == "code":
        assert listed == {"demo/film.py"}
        return
    noted = [stage for stage, module in stage_modules().items() if module == _module(definition)]
    assert listed == {f"artifacts/code/{stage}.json" for stage in noted}, f"{file}: {name}"


def test_the_code_of_every_stage_is_noted_and_that_of_no_other():
    stages = {_module(definition) for _, name, definition in STAGES if name != "code"}
    assert set(stage_modules().values()) == stages


def test_whatever_a_stage_imports_makes_its_code_be_noted_again():
    code = next(definition for _, name, definition in STAGES if name == "code")
    for module in stage_modules().values():
        for path in source_digests(module):
            assert any(path == dep or path.startswith(f"{dep}/") for dep in code["deps"]), path


def test_package_files_hold_only_a_docstring_so_that_no_stage_need_depend_on_them():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            if path == ROOT / "motiontransfer/__init__.py":
                continue  # names for whoever imports the library; no stage does
            body = ast.parse(path.read_text()).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path


@pytest.mark.parametrize(
    ("name", "definition"),
    [(name, stage) for file, name, stage in STAGES if file == "dvc.yaml"],
    ids=[name for file, name, _ in STAGES if file == "dvc.yaml"],
)
def test_each_stage_loads_the_sections_that_the_graph_lists(name, definition):
    source = (ROOT / f"{_module(definition).replace('.', '/')}.py").read_text()
    loaded = set(re.findall(r"load_section\([^\"]*\"(\w+)", source))
    if name == "check_params":
        assert "params.yaml" in definition["deps"]
        return
    if "load_detector" in source:
        loaded |= {"detect_keypoints", "videos"}
    listed = {param.split(".")[0] for param in definition.get("params", [])}
    listed |= {"videos"} & {dep.split("/")[1] for dep in definition["deps"] if "/" in dep}
    assert listed == loaded - {"compute", "logging"}


@pytest.mark.parametrize("name", ["render", "encode"])
def test_rendering_and_encoding_share_a_section_and_each_lists_the_keys_that_it_reads(name):
    listed = next(definition["params"] for _, stage, definition in STAGES if stage == name)
    source = (ROOT / f"stages/{name}.py").read_text()
    read = set(re.findall(r"\bparams\.(\w+)", source)) & set(RenderParams.model_fields)
    assert {f"render.{key}" for key in read} == {it for it in listed if it.startswith("render.")}


@pytest.mark.parametrize("name", ["decode", "detect_keypoints", "clean_keypoints"])
def test_a_stage_of_a_video_depends_on_the_keys_that_it_reads_and_decoding_on_no_tracking(name):
    definition = next(definition for _, stage, definition in STAGES if stage == name)
    listed = [dep for dep in definition["deps"] if dep.startswith("artifacts/videos/")]
    assert listed == [str(layout.video_params_file("${key}", name))]
    code = {Path(path).stem for path in source_digests(f"stages.{name}")}
    others = {"detectors", "detection", "tracking", "importers", "keypoint_rcnn"}
    assert name != "decode" or not code & others


@pytest.mark.parametrize(
    "name", [name for file, name, stage in STAGES if file == "dvc.yaml" and "params" in stage]
)
def test_the_projects_params_are_valid(name):
    if name == "detect_keypoints":
        load_detector("demo_target")
    module = importlib.import_module(f"stages.{name}")
    section = f"{name.title().replace('_', '')}Params"
    if section in vars(module):
        model = check_params.SECTIONS[name]
        assert vars(module)[section] is model
        assert issubclass(model, Section)
        load_section(model, name, path=ROOT / "params.yaml")


def test_reports_show_each_section_that_results_depend_on():
    downstream = {"render", "evaluate", "evaluate_transfer"}
    names = {"videos", "transfers"}
    upstream = {
        section.split(".")[0]
        for _, name, definition in STAGES
        if name not in ("check_params", "report", "train_forensics", "film")
        for section in definition.get("params", [])
    }
    assert downstream < upstream
    sections = {"detect_keypoints", *check_params.SECTIONS}
    assert {name for name in sections if check_params.affects_results(name)} == upstream - names


def test_the_registry_has_every_stage_in_the_graphs_order():
    own = [name for file, name, _ in STAGES if file == "dvc.yaml"]
    assert [name for name in stages.STAGES if name != "film"] == own


def test_what_a_source_video_changes_is_no_input_of_training():
    """Adding a source video and a transfer must train nothing.

    But for the face cycle, which is between two people, and detectors of rendered video, which are
    tested on all transfers: both are off unless they are asked for.
    """
    others = ("train_face_cycle", "train_forensics")
    for _, name, definition in STAGES:
        if name.startswith("train_") and name not in others:
            assert not {"videos", "transfers", "subjects", "targets"} & set(definition["params"])
            assert all(
                "artifacts" not in dep
                or "artifacts/code" in dep
                or "${item}" in dep
                # of constant content
                or dep == "artifacts/params_checked.json"
                for dep in definition["deps"]
            )
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert params["train_face_cycle"]["steps"] == 0
    assert params["detectors"] == []


def test_the_readmes_package_map_names_every_package_and_no_other():
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^((?:stages|demo|motiontransfer)/(?:\w+/)?)\s", readme, flags=re.M))
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for path in (ROOT / "motiontransfer").glob("*/__init__.py")
    }
    assert named == packages | {"stages/", "demo/"}


HOSTILE = "x; touch PWNED #"


def test_no_name_reaches_a_shell_before_it_is_checked(tmp_path, monkeypatch):
    """DVC puts names into commands and paths as they are; a stage runs after what it reads."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    Repo.init(no_scm=True).close()
    video = {"path": "v.mp4", "subject": HOSTILE}
    transfer = {"source": "v", "source_subject": HOSTILE, "target": HOSTILE, "truth": "none"}
    for names in (
        {"videos": {HOSTILE: video}},
        {"subjects": [HOSTILE]},
        {"targets": [HOSTILE]},
        {"transfers": {HOSTILE: transfer}},
        {"detectors": [HOSTILE]},
    ):
        empty = {"videos": {}, "subjects": [], "targets": [], "transfers": {}, "detectors": []}
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        Path("params.yaml").write_text(yaml.safe_dump({**params, **empty, **names}))
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
