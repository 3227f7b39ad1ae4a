import pytest

from motiontransfer.evaluation import metrics as module
from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.evaluation.metrics import headline


def values(**of_name):
    return Measurements.from_values({KEYS[name]: (value, None) for name, value in of_name.items()})


LIKENESS = {name: MetricKey("likeness", name, "ours") for name in ("person", "face", "hands")}
KEYS = {
    **LIKENESS,
    **{f"truth_{name}": key._replace(section="truth") for name, key in LIKENESS.items()},
    "ceiling": MetricKey("likeness", "face", "ceiling", "truth"),
    "others": MetricKey("likeness", "person", "nearest_neighbours", "truth"),
    "sharp_faces": MetricKey("sharp_frames", "face", "ours", "sharpness"),
    "sharp_hands": MetricKey("sharp_frames", "hands", "ours", "sharpness"),
    "film": MetricKey("sharp_frames", "face", "film", "sharpness"),
    "pose_px": MetricKey("pose_error_px", "all", "ours", "detection"),
    "body_px": MetricKey("pose_error_px", "body", "ours", "detection"),
    "distance_px": MetricKey("pose_distance_px", "all", "ours", "truth"),
}


def test_likeness_is_that_to_the_truth_or_without_one_that_of_the_held_out_frames():
    held_out = values(person=0.9, face=0.8, pose_px=7.0)
    beside = {"sharp_faces": 0.5, "sharp_hands": 0.25, "pose_px": 2.0}
    result = values(film=0.6, body_px=1.0, distance_px=3.0, ceiling=0.9, others=0.6, **beside)
    assert headline(held_out, result) == {"person": 0.9, "face": 0.8, **beside}
    truth = {"truth_person": 0.7, "truth_face": 0.6}
    assert headline(held_out, result + values(**truth)) == {**truth, **beside}


def test_what_was_not_measured_has_no_key():
    nothing = Measurements.from_values({KEYS["pose_px"]: (None, None)})
    assert headline(values(hands=0.4), nothing) == {"hands": 0.4}


@pytest.mark.parametrize(
    ("noise", "written"), [(0.0001, 0.7824), (0.0004, 0.782), (0.0024, 0.782), (0.0026, 0.78)]
)
def test_a_number_has_the_decimals_that_noise_leaves(monkeypatch, noise, written):
    monkeypatch.setattr(module, "deviations", lambda: {KEYS["truth_hands"]: noise})
    assert headline(values(), values(truth_hands=0.7824)) == {"truth_hands": written}
