import pytest

from motiontransfer.report.readable import Quantity, describe, describe_column, number_text


@pytest.mark.parametrize(
    ("path", "label", "unit", "better"),
    [
        (("person", "ssim"), "SSIM", "", "higher"),
        (("face", "l1"), "L1", "of 255", "lower"),
        (("pose_distance_px", "hands"), "Distance of the pose found again", "px", "lower"),
        (("something_new",), "Something new", "", "unknown"),
        (("drift_px",), "Drift", "px", "unknown"),
        (("lag_seconds",), "Lag", "s", "unknown"),
    ],
)
def test_a_metric_is_known_by_its_name_and_a_new_one_is_spelt_out(path, label, unit, better):
    assert describe(path) == Quantity(label=label, unit=unit, better=better)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("person_ssim", "SSIM, person's box"),
        ("person_ms_ssim", "MS-SSIM, person's box"),  # not an SSIM of "person ms"
        ("left_hand_l1", "L1, left hand"),
        ("missed_hands", "Detections missed, hands"),
        ("intended_distance_px", "Distance to the intended pose"),
        ("wobble_px", "Wobble"),
    ],
)
def test_a_column_says_what_and_where(column, label):
    assert describe_column(column).label == label


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.69231, "0.6923"),
        (23.9485, "23.95"),
        (27.0984, "27.10"),
        (1.0, "1"),
        (0.0, "0"),
        (160.0, "160"),
        (1234.4, "1234"),
        (0.0001234, "0.0001234"),
        (-0.05, "\N{MINUS SIGN}0.05000"),
        (-3.0, "\N{MINUS SIGN}3"),
        (0.00001, "1.000e-05"),
    ],
)
def test_numbers_have_four_significant_digits(value, text):
    assert number_text(value) == text
