from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from motiontransfer.pipeline import runs as module
from motiontransfer.pipeline.runs import forecast, in_words

MEASURED = {  # a dance of 102 frames of 600x600, and two sizes of a film of 288
    "decode@dancer": (6.7, 6.7),
    "decode@me": (8.7, 12.8),
    "detect_keypoints@dancer": (11.9, 11.9),
    "detect_keypoints@me": (18.5, 20.1),
    "clean_keypoints@me": (5.1, 5.3),
    "fit_normalization@me": (2.7, 2.8),
    "fit_appearance@me": (28.6, 68.3),
    "train_gan@me": (22.7, 30.2),  # 60 steps
    "train_face_gan@me": (11.7, 15.4),  # 40
    "train_face_cycle@me_as_dancer": (5.0, 4.9),
    "normalize@me_as_dancer": (1.7, 1.8),
    "render@me_as_dancer": (10.6, 17.3),
    "encode@me_as_dancer": (17.1, 36.7),
    "evaluate@me": (14.4, 19.8),
    "evaluate_transfer@me_as_dancer": (19.3, 24.3),
    "report@me_as_dancer": (7.9, 14.0),
}
DANCER, SMALL, LARGE = (102, (600, 600)), (288, (960, 540)), (288, (1920, 1080))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Params of a dancer and a target; one core, as fast as that of the rates."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    for name in ("dancer", "me"):
        (tmp_path / name).write_bytes(bytes(1_000_000))
    transfer = {"source": "dancer", "source_subject": "dancer", "target": "me", "truth": "none"}
    params |= {
        "videos": {name: {"path": name, "subject": name} for name in ("dancer", "me")},
        "subjects": ["dancer", "me"],
        "targets": ["me"],
        "transfers": {"me_as_dancer": transfer},
    }
    params["train_gan"] |= {"steps": 60}
    params["train_face_gan"] |= {"steps": 40}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_slowness", lambda: 1.0)
    monkeypatch.setattr(module.loky, "cpu_count", lambda: 1)
    return params


@pytest.fixture
def cost(project, monkeypatch):
    """Forecast of stages for films of (frames, size), with changed params: `train_gan.steps`."""

    def cost(*stages, me=SMALL, **changes):
        films = {Path("dancer"): DANCER, Path("me"): me}
        monkeypatch.setattr(
            module,
            "run_isolated",
            lambda _, path: SimpleNamespace(num_frames=films[path][0], size=films[path][1]),
        )
        for key, value in changes.items():
            section, _, name = key.partition("__")
            project[section][name] = value
        Path("params.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
        return forecast(stages)

    return cost


@pytest.mark.parametrize("size", [0, 1])
def test_each_stage_and_the_whole_are_forecast_within_a_factor_of_two(cost, size):
    got = cost(*MEASURED, me=(SMALL, LARGE)[size])
    for stage, measured in MEASURED.items():
        assert measured[size] / 2 < got[stage][0] < measured[size] * 2, stage
    whole = sum(measured[size] for measured in MEASURED.values())
    assert whole / 1.3 < sum(seconds for seconds, _ in got.values()) < whole * 1.3


def test_disk_is_forecast_within_a_factor_of_two(cost):
    """Of the same runs: frames, appearance, results and the rest, and DVC's copies."""
    for me, megabytes in ((SMALL, 13.6 + 31.2 + 30.7 + 13.0), (LARGE, 13.6 + 56.9 + 81.2 + 15.2)):
        got = sum(megabytes for _, megabytes in cost(*MEASURED, me=me).values())
        assert megabytes < got < 4 * megabytes


def test_a_training_takes_no_longer_than_its_limit_and_grows_with_its_network(cost, project):
    def seconds(**changes):
        return cost("train_gan@me", **changes)["train_gan@me"][0]

    start = seconds(train_gan__steps=0)
    default = seconds(train_gan__steps=50) - start
    assert seconds(train_gan__steps=100) - start == pytest.approx(2 * default)
    project["train_gan"]["steps"] = 50
    assert seconds(train_gan__num_filters=48) - start == pytest.approx(2 * default)
    project["train_gan"]["num_filters"] = 24
    assert seconds(decode__size=[512, 256]) - start == pytest.approx(2 * default)
    assert seconds(train_gan__max_minutes=0.1) == start + 6
    assert seconds(train_gan__max_minutes=None, train_gan__steps=5000) > start + 600


def test_cores_share_the_frames_of_a_film(cost, monkeypatch):
    stages = ("decode@me", "detect_keypoints@me", "render@me_as_dancer")
    one = cost(*stages, me=(10_000, (960, 540)))
    monkeypatch.setattr(module.loky, "cpu_count", lambda: 4)
    four = cost(*stages, me=(10_000, (960, 540)))
    assert four["detect_keypoints@me"][0] < one["detect_keypoints@me"][0] / 3
    assert four["render@me_as_dancer"] == one["render@me_as_dancer"]


def test_a_demo_that_is_not_filmed_yet_has_a_forecast(cost):
    Path("me").unlink()
    assert cost("decode@me")["decode@me"][0] > 0


def test_the_whole_in_words():
    costs = {"decode@me": (60.0, 300.0), "train_gan@me": (150.0, 0.0)}
    assert in_words(costs).startswith("2 stages, about 3.5 min and 0.3 GB on this machine")


def test_the_speed_of_this_machine_is_a_positive_number():
    assert 0 < module._slowness() < 1000
