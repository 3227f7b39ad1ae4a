"""What a stage costs grows with its work, and what ran here puts the model right."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.errors import ParamsError
from motiontransfer.workspace.amounts import clock_text, names_text, size_text, time_text
from motiontransfer.workspace.cost import Plan, frames_bytes, generator_gmacs, stage_seconds
from motiontransfer.workspace.run_times import (
    RUN_TIMES_FILE,
    RunTime,
    add_run_time,
    factors,
    read_run_times,
)

PARAMS = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))


def plan(*, frames=1000, cores=2, gmacs=3.9, **changes):
    params = {**PARAMS, **{name: {**PARAMS[name], **values} for name, values in changes.items()}}
    return Plan(
        params=params,
        frames={"demo_target": frames, "demo_dance": frames},
        num_cores=cores,
        gmacs=gmacs,
    )


def work(stage, **others):
    """Seconds without those to start: what a plan without frames or steps takes."""
    nothing = {"train_gan": {"steps": 0}, "train_face_gan": {"steps": 0}}
    nothing = {**nothing, "train_face_cycle": {"steps": 0}}
    return stage_seconds(stage, plan(**others)) - stage_seconds(stage, plan(frames=0, **nothing))


@pytest.mark.parametrize(
    "stage",
    [
        "decode@demo_target",
        "detect_keypoints@demo_target",
        "render@ada_as_ben",
        "evaluate@ada",
        "evaluate_transfer@ada_as_ben",
    ],
)
@settings(deadline=None)
@given(times=st.integers(2, 50))
def test_time_grows_with_frames(stage, times):
    assert work(stage, frames=100 * times) == pytest.approx(times * work(stage, frames=100))
    assert work(stage, frames=100) > 0


@settings(deadline=None)
@given(times=st.integers(2, 50))
def test_training_grows_with_steps_batch_and_networks(times):
    once = work("train_gan@ada", train_gan={"steps": 100})
    assert work("train_gan@ada", train_gan={"steps": 100 * times}) == pytest.approx(times * once)
    batch = {"steps": 100, "batch_size": times}
    assert work("train_gan@ada", train_gan=batch) == pytest.approx(times * once)
    larger = work("train_gan@ada", train_gan={"steps": 100}, gmacs=3.9 * times)
    assert larger == pytest.approx(times * once)


def test_the_demo_takes_what_it_took():
    assert work("train_gan@ada") == pytest.approx(1100 * 0.33)
    assert work("train_gan@ada", cores=4) == pytest.approx(1100 * 0.33 / 2)
    assert work("train_gan@ada", train_gan={"max_minutes": 2}) == 120
    assert work("train_face_gan@ada") == pytest.approx(300 * 4 * 0.024)
    assert work("detect_keypoints@demo_target", frames=500) == pytest.approx(500 * 0.039 / 2)


def test_training_does_not_grow_with_frames_nor_rendering_with_steps():
    assert work("train_gan@ada", frames=9) == work("train_gan@ada", frames=90_000)
    assert work("render@ada_as_ben") == work("render@ada_as_ben", train_gan={"steps": 10**6})


def test_a_missing_section_is_named():
    without = Plan(params={}, frames={}, num_cores=2, gmacs=1.0)
    with pytest.raises(ParamsError, match="decode: missing; expected this section"):
        stage_seconds("decode@me", without)


@pytest.mark.parametrize(
    ("preset", "gmacs"), [("paper", 150.0), ("demo", 3.9)]
)  # pix2pixHD's local enhancer: as benchmarks/networks.py counts and as published
def test_multiplications_are_counted_on_the_networks_themselves(preset, gmacs):
    params = {name: dict(section) for name, section in PARAMS.items() if isinstance(section, dict)}
    for name, values in yaml.safe_load(Path(f"presets/{preset}.yaml").read_text()).items():
        params[name].update(values)
    assert generator_gmacs(params) == pytest.approx(gmacs, rel=0.01)


def test_params_of_no_generator_are_told_in_one_line():
    section = {key: value for key, value in PARAMS["train_gan"].items() if key != "pose_encoding"}
    wrong = {**PARAMS, "train_gan": section}
    with pytest.raises(ParamsError, match=r"params\.yaml: train_gan: describes no generator: 'pos"):
        generator_gmacs(wrong)


def test_bars_around_the_video_cost_nothing():
    size, whole, half = (256, 256), (0, 0, 256, 256), (64, 0, 192, 256)
    assert frames_bytes(100, size=size, content=whole) == pytest.approx(100 * 65536 * 0.7)
    assert frames_bytes(100, size=size, content=half) == pytest.approx(50 * 65536 * 0.7)
    assert frames_bytes(300, size=size, content=half) == pytest.approx(
        3 * frames_bytes(100, size=size, content=half)
    )


def record(stage, seconds, modelled=10.0):
    return RunTime(stage=stage, seconds=seconds, modelled_seconds=modelled)


def test_the_median_of_the_last_five_runs_counts_for_all_of_a_kind():
    assert factors([record("render@a", it) for it in (900.0, 10.0, 20.0, 30.0, 20.0, 25.0)]) == {
        "render": 2.0
    }
    assert factors([record("render@a", 10.0), record("decode@a", 5.0)]) == {
        "render": 1.0,
        "decode": 0.5,
    }
    assert factors([record("demo/dvc.yaml:film@target", 20.0)]) == {"film": 2.0}


def test_run_times_are_kept_and_a_broken_file_is_none(tmp_path):
    assert read_run_times(tmp_path) == []
    add_run_time(tmp_path, record("render@a", 12.5))
    add_run_time(tmp_path, record("decode@a", 2.5))
    assert read_run_times(tmp_path) == [record("render@a", 12.5), record("decode@a", 2.5)]
    (tmp_path / RUN_TIMES_FILE).write_text("[{}]")
    assert read_run_times(tmp_path) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (95, "2 min"), (5400, "1 h 30 min"), (7200, "2 h"),
     (4 * 86400, "4 days")],
)  # fmt: skip
def test_times_are_said_as_people_do(seconds, text):
    assert time_text(seconds) == text


def test_sizes_lengths_and_names_are_said_as_people_do():
    assert [size_text(it) for it in (4e4, 2.34e6, 23e6, 1.25e9)] == [
        *("40 kB", "2.3 MB", "23 MB", "1.2 GB")
    ]
    assert [clock_text(it) for it in (5.1, 154, 3723)] == ["0:05", "2:34", "1:02:03"]
    assert names_text(["a"]) == "a"
    assert names_text(["a", "b", "c"]) == "a, b and c"
    assert names_text(["a", "b", "c", "d"], most=2) == "a, b and 2 more"
