import av
import numpy as np
import pytest

from motiontransfer.video.geometry import Orientation, orientation_of, parse_display_matrix
from tests.video.conftest import grey_frame

ONE = 1 << 16
# a, b, c, d of the matrix; a 2 x 3 picture [[0, 1, 2], [3, 4, 5]] as it must be shown
CASES = {
    "upright": ((1, 0, 0, 1), [[0, 1, 2], [3, 4, 5]]),
    "clockwise": ((0, 1, -1, 0), [[3, 0], [4, 1], [5, 2]]),
    "upside down": ((-1, 0, 0, -1), [[5, 4, 3], [2, 1, 0]]),
    "counterclockwise": ((0, -1, 1, 0), [[2, 5], [1, 4], [0, 3]]),
    "mirrored": ((-1, 0, 0, 1), [[2, 1, 0], [5, 4, 3]]),
    "upside down mirrored": ((1, 0, 0, -1), [[3, 4, 5], [0, 1, 2]]),
    "transposed": ((0, 1, 1, 0), [[0, 3], [1, 4], [2, 5]]),
    "transposed across": ((0, -1, -1, 0), [[5, 2], [4, 1], [3, 0]]),
}


def matrix_of(a, b, c, d, scale=ONE):
    return (a * scale, b * scale, 0, c * scale, d * scale, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(("numbers", "expected"), CASES.values(), ids=CASES.keys())
def test_all_eight_matrices_put_pixels_where_they_say(numbers, expected):
    picture = np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)
    orientation = parse_display_matrix(matrix_of(*numbers))
    shown = orientation.upright(picture)
    np.testing.assert_array_equal(shown[..., 0], expected)
    assert orientation.upright_size((2, 3)) == shown.shape[:2]
    # the definition itself: pixel (p, q) is shown at (a p + c q, b p + d q), up to a shift
    a, b, c, d = numbers
    positions = {
        int(picture[q, p, 0]): (a * p + c * q, b * p + d * q) for q in range(2) for p in range(3)
    }
    left = min(x for x, _ in positions.values())
    top = min(y for _, y in positions.values())
    for value, (x, y) in positions.items():
        assert shown[y - top, x - left, 0] == value


@pytest.mark.parametrize("scale", [ONE, ONE // 2, 3])
def test_scale_does_not_matter(scale):
    assert parse_display_matrix(matrix_of(0, 1, -1, 0, scale)) == Orientation(quarter_turns=1)


def test_an_empty_matrix_is_upright():
    assert parse_display_matrix((0,) * 9) == Orientation()


@pytest.mark.parametrize(("numbers", "expected"), CASES.values(), ids=CASES.keys())
def test_a_file_says_its_orientation(tmp_path, write_test_video, numbers, expected):
    path = write_test_video(tmp_path / "video.mp4", [grey_frame(0)] * 2, matrix=matrix_of(*numbers))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert orientation_of(frame) == parse_display_matrix(matrix_of(*numbers))
