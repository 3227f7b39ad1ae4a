import numpy as np
import pytest

from motiontransfer.core.errors import KeypointsError
from motiontransfer.pose.subject import choice_metrics, choose_person, track_at, with_re_entries
from tests.people import detections_of

LEFT, MIDDLE, RIGHT = (40, 200, 100), (128, 178, 100), (200, 200, 150)


def clip():
    """0 on the left in 30 frames, 1 in the middle in 25, 2, the largest, on the right in 20."""
    return detections_of(
        {0: (range(30), LEFT), 1: (range(5, 30), MIDDLE), 2: (range(20), RIGHT)}, num_frames=32
    )


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        *(("largest", (2,)), ("second_largest", (0,)), ("most_central", (1,)), ("longest", (0,))),
        *((1, (1,)), ((2,), (2,))),
    ],
)
def test_a_rule_names_one_person(rule, chosen):
    assert choose_person(clip(), rule) == chosen


@pytest.mark.parametrize(
    ("frame_index", "place", "number"),
    [
        *((0, (40, 200), 0), (10, (128, 178), 1), (10, (255, 120), 2)),
        (0, (128, 178), 2),  # the middle one comes in frame 5; the right one is nearer
        (25, (200, 200), 1),  # the right one has left
        (31, (40, 200), 0),  # nobody is left: the last frame with somebody counts
    ],
)
def test_who_is_at_a_place_or_nearest_is_meant(frame_index, place, number):
    assert track_at(clip(), frame_index, np.array(place, np.float64)) == number


def test_the_middle_of_a_person_is_compared_with_that_of_the_image():
    """The other one is as near to the image's corner as this one is to its middle."""
    two = detections_of({0: (range(9), (192, 200, 100)), 1: (range(9), MIDDLE)}, num_frames=9)
    assert choose_person(two, "most_central") == (1,)


def test_the_second_of_two_re_enters_beside_the_first():
    broken = detections_of(
        {0: (range(10), LEFT), 1: (range(30), RIGHT), 3: (range(20, 30), LEFT)}, num_frames=30
    )
    assert choose_person(broken, "second_largest") == (0, 3)
    found = choice_metrics(broken, (0, 3), rule="second_largest")
    assert found["frames_rule_prefers_others"] == 10  # where the first is alone


def test_tracks_of_one_person_are_joined_in_order():
    broken = detections_of(
        {0: (range(10), LEFT), 1: (range(30), MIDDLE), 3: (range(20, 30), RIGHT)}, num_frames=30
    )
    assert choose_person(broken, (3, 0, 3)) == (0, 3)
    first, later = broken.of_person(0).points, broken.of_person(3).points
    np.testing.assert_array_equal(broken.of_person(0, 3).points, np.where(first, first, later))


@pytest.mark.parametrize(
    ("detections", "person", "named"),
    [
        (clip(), (0, 1), r"person: \(0, 1\): .* frame 5"),  # seen at once
        (clip(), 3, r"person: 3: .* 0 \(94 % .* 1 \(78 % .* 2 \(62 %"),
        (clip(), (), r"person: \(\)"),
        (detections_of({}, num_frames=7), "largest", "7 frames"),
        (detections_of({0: (range(7), LEFT)}, num_frames=7), "second_largest", "people, got one"),
    ],
)
def test_someone_who_is_not_there_or_not_one_is_refused(detections, person, named):
    with pytest.raises(KeypointsError, match=named):
        choose_person(detections, person)


def test_the_metrics_say_who_was_there():
    assert choice_metrics(clip(), (1,), rule="most_central") == {
        **{"person": "1", "people": 3, "frames_of_each": {"0": 30, "1": 25, "2": 20}},
        **{"frames_without_person": 7, "longest_gap_person_frames": 5, "frames_with_others": 30},
        **{"frames_rule_prefers_others": 5, "possible_switches": 0},  # while 1 is not there
    }


def test_frames_in_which_the_rule_prefers_others_are_counted():
    for rule, chosen, frames in (
        ("largest", 2, 10),
        ("largest", 1, 20),  # not where only 0 is there too, of the same size
        *(("longest", 0, 0), ("longest", 1, 30), (1, 1, 5)),
    ):
        metrics = choice_metrics(clip(), (chosen,), rule=rule)
        assert metrics["frames_rule_prefers_others"] == frames, (rule, chosen)


@pytest.mark.parametrize(
    ("other", "switches"),
    [
        ((range(22, 60), (130, 178, 100)), 1),  # appears where the person was lost
        ((range(30), (130, 178, 100)), 0),  # has been there since before, and is lost too early
        ((range(10, 49), (130, 178, 100)), 1),  # is lost where the person comes back
        ((range(22, 49), (130, 178, 100)), 2),
        ((range(22, 60), (10, 178, 100)), 0),  # appears elsewhere
        ((range(30, 35), (130, 178, 100)), 1),
        ((range(30, 31), (130, 178, 100)), 1),
    ],
)
def test_places_where_the_person_may_have_become_another_are_counted(other, switches):
    detections = detections_of(
        {0: ([*range(20), *range(50, 60)], MIDDLE), 1: other}, num_frames=60, frame_rate=12
    )
    assert choice_metrics(detections, (0,), rule=0)["possible_switches"] == switches


PLACE = (128, 200, 100)


def re_entries(tracks, track=0):
    return with_re_entries(detections_of(tracks, num_frames=200), track)


@pytest.mark.parametrize(
    ("frames", "heights", "same"),
    [
        *((range(40, 60), (20, 100), (0,)), (range(120, 130), (20, 100), (0,))),
        *((range(70, 80), (20,), (0,)), (range(160, 170), (20,), (0, 1))),
        (range(30), (20, 100), (0, 1)),
    ],
)
def test_re_entry_with_others_in_view_is_ambiguous(frames, heights, same):
    stays = {0: (range(50), PLACE), 1: (range(100, 150), PLACE)}
    for height in heights:
        assert re_entries({**stays, 2: (frames, (40, 200, height))}) == same


@pytest.mark.parametrize(
    ("start", "place", "same"),
    [
        *((100, (128, 200, 159), (0, 1)), (100, (128, 200, 161), (0,))),
        *((100, (128, 200, 63), (0, 1)), (100, (128, 200, 62), (0,))),
        # 3 frames of 0.04 s: 0.3 + 2.5 * 0.12 sizes of 112 px
        *((52, (128 + 64, 200, 100), (0, 1)), (52, (128 + 70, 200, 100), (0,))),
    ],
)
def test_re_entry_needs_a_similar_size_and_a_plausible_speed(start, place, same):
    assert re_entries({0: (range(50), PLACE), 1: (range(start, 150), place)}) == same


def test_a_very_short_track_between_does_not_count():
    stays = {0: (range(50), PLACE), 1: (range(60, 64), (40, 60, 20)), 2: (range(100, 150), PLACE)}
    assert re_entries(stays) == re_entries(stays, 2) == (0, 2)
    longer = {**stays, 1: (range(60, 65), (40, 60, 20))}
    assert re_entries(longer) == (0,)
