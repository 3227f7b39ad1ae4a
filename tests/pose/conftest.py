"""A photograph that every detector is shown."""

import pytest
import skimage.data


@pytest.fixture(scope="session")
def astronaut():
    """A woman who faces the camera, down to the waist."""
    return skimage.data.astronaut()
