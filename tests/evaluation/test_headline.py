from motiontransfer.evaluation.headline import NOISE, headline
from motiontransfer.evaluation.measurements import Measurements, MetricKey


def values(**of_name):
    return Measurements.from_values({KEYS[name]: (value, None) for name, value in of_name.items()})


KEYS = {
    **{name: MetricKey("likeness", name, "ours") for name in ("person", "face", "hands")},
    **{f"truth_{name}": MetricKey("likeness", name, "ours", "truth") for name in ("person",)},
    "others": MetricKey("likeness", "person", "nearest_neighbours", "truth"),
    "sharp_faces": MetricKey("sharp_frames", "face", "ours", "sharpness"),
    "film": MetricKey("sharp_frames", "face", "film", "sharpness"),
    "pose_px": MetricKey("pose_distance_px", "all", "ours", "detection"),
    "coverage": MetricKey("coverage", "all", "ours", "film"),
    "head": MetricKey("coverage", "head", "ours", "film"),
    "body_px": MetricKey("pose_distance_px", "body", "ours", "detection"),
    "flicker": MetricKey("background_flicker", "", "ours", "temporal"),
}


def test_likeness_is_that_of_the_held_out_frames_and_the_rest_that_of_the_result():
    held_out = values(person=0.9, face=0.8, pose_px=7.0)
    result = values(person=0.1, sharp_faces=0.5, film=0.6, pose_px=2.0, body_px=1.0, flicker=0.0)
    assert headline(held_out, result) == {
        "person": 0.9,
        "face": 0.8,
        "sharp_faces": 0.5,
        "pose_px": 2.0,
        "flicker": 0.0,
    }


def test_ceiling_and_noise_stand_beside_a_likeness():
    ceiling = Measurements.from_values(
        {MetricKey("likeness", "face", "ceiling", "truth"): (0.92, None)}
    )
    found = headline(Measurements(summary=()), ceiling)
    assert found == {"truth_face_ceiling": 0.92, "truth_face_noise": NOISE["face"]}


def test_a_ground_truth_adds_its_likeness_and_what_was_not_measured_has_no_key():
    result = values(
        truth_person=0.7, others=0.6, coverage=0.8, head=0.9
    ) + Measurements.from_values({KEYS["pose_px"]: (None, None)})
    assert headline(values(hands=0.4), result) == {
        "hands": 0.4,
        "truth_person": 0.7,
        "coverage": 0.8,
    }
