from pathlib import Path
from types import SimpleNamespace

import pytest

from motiontransfer.core.stages import STAGES
from motiontransfer.pipeline import plan as module
from motiontransfer.pipeline.plan import forecast, planned, scratch_project
from tests.clone import SHIPPED
from tests.project.small_project import small_project
from tests.project_files import read_sections, write_sections


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Write params with changes, of a dancer of 100 and two films of a target of 200 frames."""
    content = read_sections(SHIPPED)
    subjects = {"dancer": "dancer", "me": "ada", "me_2": "ada"}
    transfer = {"source": "dancer", "source_subject": "dancer", "target": "ada", "truth": "none"}
    content |= {
        "videos": {name: {"path": name, "subject": of} for name, of in subjects.items()},
        "transfers": {"ada_as_dancer": transfer},
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "slowness", lambda: 1.0)
    monkeypatch.setattr(module, "has_bf16", lambda: True)
    for name in subjects:
        Path(name).touch()
    frames = {Path("dancer"): 100, Path("me"): 200, Path("me_2"): 200}
    metadata = {path: SimpleNamespace(num_frames=number) for path, number in frames.items()}
    monkeypatch.setattr(module, "run_isolated", lambda _, path: metadata[path])

    def write(**changes):
        for section, values in changes.items():
            content[section] = content[section] | values
        write_sections(content)

    write()
    return write


def beyond_start(stage):
    return forecast([stage])[stage] - STAGES[stage.partition("@")[0]].start_seconds


def test_where_links_are_refused_the_code_is_copied(tmp_path, monkeypatch):
    """As Windows does to most users."""

    def refuse(*_):
        raise OSError("a required privilege is not held by the client")

    files = {"dvc.yaml": "stages: {}\n", "params.yaml": "", "stages/render.py": "# code\n"}
    monkeypatch.chdir(small_project(tmp_path, files, monkeypatch))
    monkeypatch.setattr(Path, "symlink_to", refuse)
    with scratch_project() as copy:
        assert (copy / "stages/render.py").read_text() == "# code\n"


def test_a_stage_takes_its_start_and_its_time_for_each_frame_of_its_film(params):
    rate = STAGES["detect_keypoints"].seconds_per_frame
    assert rate > 0
    assert beyond_start("detect_keypoints@dancer") == pytest.approx(100 * rate)
    assert beyond_start("detect_keypoints@me") == pytest.approx(200 * rate)
    rate = STAGES["encode"].seconds_per_frame
    assert beyond_start("encode@ada_as_dancer") == pytest.approx(100 * rate)
    assert beyond_start("clean_keypoints@dancer") == 0
    assert beyond_start("evaluate@ada") == 0
    Path("dancer").unlink()  # as a demo that is not filmed yet
    assert beyond_start("encode@ada_as_dancer") > 0


def test_a_stage_of_a_subject_takes_all_its_films(params, monkeypatch):
    stage = module.Stage(start_seconds=1.0, seconds_per_frame=2.0)
    monkeypatch.setattr(module, "STAGES", {"fit": stage})
    unknown = module.Stage().start_seconds
    assert forecast(["fit@ada", "unknown@ada"]) == {"fit@ada": 801.0, "unknown@ada": unknown}


@pytest.mark.parametrize("stage", ["train_gan@ada", "train_face_cycle@ada_as_dancer"])
def test_a_training_takes_each_frame_of_its_batches_and_no_longer_than_its_limit(params, stage):
    group = stage.partition("@")[0]
    rate = STAGES[group].seconds_per_frame
    assert rate > 0
    params(**{group: {"steps": 60, "batch_size": 2, "max_minutes": None}})
    assert beyond_start(stage) == pytest.approx(120 * rate)
    params(**{group: {"max_minutes": 0.1}})
    assert beyond_start(stage) == pytest.approx(6)


def test_a_slow_machine_takes_longer_and_a_training_no_longer_than_its_limit(params, monkeypatch):
    params(train_gan={"steps": 60, "batch_size": 2, "max_minutes": None})
    stages = ["detect_keypoints@me", "train_gan@ada"]
    detection, training = forecast(stages).values()
    monkeypatch.setattr(module, "slowness", lambda: 3.0)
    assert [*forecast(stages).values()] == pytest.approx([3 * detection, 3 * training])
    monkeypatch.setattr(module, "has_bf16", lambda: False)
    start = STAGES["train_gan"].start_seconds
    without_bf16 = 3 * start + 1.3 * 3 * (training - start)
    assert [*forecast(stages).values()] == pytest.approx([3 * detection, without_bf16])
    params(train_gan={"max_minutes": 0.1})
    assert forecast(stages)["train_gan@ada"] == pytest.approx(3 * start + 6)


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 12.0), (2, 9.0), (9, 9.0)])
def test_stages_side_by_side_take_the_longest_chain_or_their_share(jobs, seconds):
    graph = {"a": [], "b": ["a"], "c": ["a"]}
    costs = {"a": 4.0, "b": 5.0, "c": 3.0}
    assert module.seconds_side_by_side(graph, costs, jobs=jobs) == seconds


def test_the_forecast_is_told_in_minutes():
    costs = {"decode@me": 60.0, "train_gan@ada": 150.0}
    assert str(planned("me", costs)) == "me: 2 stages, about 3.5 min on this CPU"
