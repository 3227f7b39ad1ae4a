from motiontransfer.report.measurements import (
    Measurement,
    measurements,
    methods_of,
    not_measured,
)


def _found(tree, intervals=None):
    return {
        (item.section, item.row, item.method): item.value for item in measurements(tree, intervals)
    }


def test_the_children_beside_ours_are_methods_wherever_they_stand():
    found = _found(
        {
            "truth": {"ours": {"person": {"ssim": 0.7}}, "nearest": {"person": {"ssim": 0.5}}},
            "temporal": {"flicker": {"ours": 0.9, "truth": 0.8}, "change": 1.2},
        }
    )
    assert found == {
        ("truth", ("person", "ssim"), "ours"): 0.7,
        ("truth", ("person", "ssim"), "nearest"): 0.5,
        ("temporal", ("flicker",), "ours"): 0.9,
        ("temporal", ("flicker",), "truth"): 0.8,
        ("temporal", ("change",), "ours"): 1.2,
    }


def test_a_metric_beside_the_methods_is_no_method():
    found = _found(
        {
            "held_out": {
                "frames": 60,
                "ours": {"l1": 2.0, "face": {"l1": 5.0}},
                "copy": {"l1": 1.0},
                "missed_detections": {"face": 0.1},
                "temporal": {"background_flicker": {"ours": 0.3, "copy": 0.4}},
            }
        }
    )
    assert found == {
        ("held_out", ("frames",), "ours"): 60,
        ("held_out", ("l1",), "ours"): 2,
        ("held_out", ("face", "l1"), "ours"): 5,
        ("held_out", ("l1",), "copy"): 1,
        ("held_out", ("missed_detections", "face"), "ours"): 0.1,
        ("held_out", ("temporal", "background_flicker"), "ours"): 0.3,
        ("held_out", ("temporal", "background_flicker"), "copy"): 0.4,
    }


def test_what_could_not_be_measured_stays_and_what_was_skipped_goes_to_the_notes():
    tree = {
        "truth": {
            "skipped_frames": {"face": {"not_detected": 3, "smaller_than_11_pixels": 0}},
            "skipped": {"lpips": "no weights at hand"},
            "ours": {"face": {"ssim": None}},
        }
    }
    assert _found(tree) == {("truth", ("face", "ssim"), "ours"): None}
    assert not_measured(tree) == (
        "truth, face, not detected: 3 frames",
        "truth, LPIPS: no weights at hand",
    )


def test_lists_of_reasons_are_notes_too():
    assert not_measured({"skipped": ["no truth", "no weights"]}) == (": no truth", ": no weights")


def test_words_and_switches_are_no_measurements():
    assert _found({"a": {"verdict": "good", "trained": True, "n": 2}}) == {("a", ("n",), "ours"): 2}


def test_intervals_are_found_at_the_same_place():
    tree = {"truth": {"ours": {"ssim": 0.7, "l1": 4.0}}}
    of_row = {
        item.row: item.interval
        for item in measurements(tree, {"truth": {"ours": {"ssim": [0.6, 0.8], "l1": None}}})
    }
    assert of_row == {("ssim",): (0.6, 0.8), ("l1",): None}


def test_ours_comes_first_and_what_was_filmed_last():
    found = [
        Measurement(section="s", row=("r",), method=name, value=1.0)
        for name in ("truth", "nearest", "ours", "copy")
    ]
    assert methods_of(found) == ("ours", "nearest", "copy", "truth")
