import pytest

from motiontransfer.report.differences import (
    by_section,
    count_verdicts,
    judge,
    metric_differences,
    param_differences,
)


@pytest.mark.parametrize(
    ("before", "after", "better", "verdict"),
    [
        (1.0, 2.0, "higher", "better"),
        (2.0, 1.0, "higher", "worse"),
        (1.0, 2.0, "lower", "worse"),
        (2.0, 1.0, "lower", "better"),
        (1.0, 1.0, "lower", "same"),
        (1.0, 2.0, "unknown", "changed"),
        (1.0, 1.0, "unknown", "same"),
        (0.5, 0.9, "near one", "better"),
        (0.9, 1.5, "near one", "worse"),
        (0.75, 1.25, "near one", "changed"),
    ],
)
def test_a_change_is_judged_by_which_way_is_up(before, after, better, verdict):
    assert judge(before, after, better) == verdict


def _compare(before, after, intervals_before=None, intervals_after=None):
    return metric_differences(
        before,
        after,
        intervals_before=intervals_before or {},
        intervals_after=intervals_after or {},
    )


def _run(ssim, **others):
    return {
        "truth": {
            "ours": {"person": {"ssim": ssim, **others}},
            "nearest": {"person": {"ssim": 0.1}},
        }
    }


def test_metrics_of_ours_are_compared_one_by_one():
    (item,) = _compare(_run(0.5), _run(0.75))
    assert (item.section, item.label) == ("Against the truth", "Person's box: SSIM")
    assert (item.before, item.after, item.change) == ("0.5000", "0.7500", "+0.25")
    assert (item.verdict, item.unsure) == ("better", False)


def test_a_minus_is_a_minus():
    (item,) = _compare(_run(0.75), _run(0.5))
    assert item.change == "\N{MINUS SIGN}0.25"


def test_a_metric_of_one_run_alone_is_said_to_be():
    new, old = _compare(_run(0.5, l1=3.0), _run(0.5, psnr=20.0))[1:]
    assert (new.verdict, new.before, new.after, new.change) == ("only after", "", "20", "")
    assert (old.verdict, old.before, old.after, old.change) == ("only before", "3", "", "")


def test_overlapping_intervals_make_a_change_unsure():
    def interval(low, high):
        return {"truth": {"ours": {"person": {"ssim": [low, high]}}}}

    (sure,) = _compare(_run(0.5), _run(0.7), interval(0.4, 0.55), interval(0.6, 0.8))
    (unsure,) = _compare(_run(0.5), _run(0.7), interval(0.4, 0.65), interval(0.6, 0.8))
    (same,) = _compare(_run(0.5), _run(0.5), interval(0.4, 0.65), interval(0.4, 0.65))
    assert [sure.unsure, unsure.unsure, same.unsure] == [False, True, False]


def test_verdicts_are_counted_and_sections_keep_their_order():
    items = _compare(
        {"z": {"ours": {"ssim": 1.0, "l1": 1.0}}, "a": {"ours": {"psnr": 1.0}}},
        {"z": {"ours": {"ssim": 2.0, "l1": 2.0}}, "a": {"ours": {"psnr": 1.0}}},
    )
    assert count_verdicts(items) == {"better": 1, "worse": 1, "same": 1}
    assert {title: len(rows) for title, rows in by_section(items).items()} == {"Z": 2, "A": 1}
    assert list(by_section(items)) == ["Z", "A"]


def test_params_that_differ_are_listed_with_those_that_came_and_went():
    differences = param_differences(
        {"train": {"steps": 5, "rate": 1.0}, "gone": 1},
        {"train": {"steps": 7, "rate": 1.0}, "new": [1, 2]},
    )
    assert [(d.key, d.before, d.after) for d in differences] == [
        ("train.steps", "5", "7"),
        ("new", None, "[1, 2]"),
        ("gone", "1", None),
    ]
