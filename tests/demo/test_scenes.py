import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demo.actors.scenes import Camera

CAMERA = Camera(position=(0.4, 1.5, 6.0), target=(0.0, 0.9, 0.0), focal_length=2.0)


def test_a_meter_at_the_targets_distance_has_the_pixels_that_the_focal_length_says():
    distance = np.linalg.norm(np.subtract(CAMERA.position, CAMERA.target))
    right = CAMERA.axes()[0]
    shifted = CAMERA.project(np.array([0.0, 0.9, 0.0]) + right, (64, 64))
    np.testing.assert_allclose(shifted, [32 + 2.0 * 64 / distance, 32])


@given(st.floats(0, 64), st.floats(0, 48), st.floats(0.5, 20))
def test_points_on_a_pixels_ray_project_to_that_pixel(x, y, distance):
    ray = CAMERA.rays(np.array([[x, y]]), (48, 64))
    point = np.array(CAMERA.position) + distance * ray
    np.testing.assert_allclose(CAMERA.project(point, (48, 64)), [[x, y]], atol=1e-6)
