import pytest

from motiontransfer.core.sampling import evenly_spaced


@pytest.mark.parametrize(
    ("items", "count", "expected"),
    [
        (range(11), 3, [0, 5, 10]),
        (range(4, 9), 2, [4, 8]),
        ("abcdefghij", 4, ["a", "d", "g", "j"]),
        (range(3), 6, [0, 1, 2]),
        (range(7), 1, [0]),
        ([], 3, []),
    ],
)
def test_samples_are_evenly_spaced_with_first_and_last(items, count, expected):
    assert evenly_spaced(items, count=count) == expected
