"""Guided upsampling of generated frames (fast guided filter: He and Sun 2015).

The guide is the puppet over the background image, which have the size of the target's video. Around
each pixel, a frame is taken for a linear function of the guide at the working size; the result is
that function of the guide at the larger size. Edges and texture that the network took over from the
guide become sharp; what it painted stays smooth.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.puppet.warping import Puppet, PuppetClip, Texture
from motiontransfer.video.color import Frame
from motiontransfer.video.geometry import resize

_RADIUS_PX = 1  # of the window, pixels of the working image
_SMOOTHNESS = 3.0  # levels; texture of the guide below it is not followed

Image = Float32[np.ndarray, "height width 3"]


class GuidedUpsampling:
    """Upsampling of a target's frames to one size."""

    def __init__(self, puppet: Puppet, *, size: tuple[int, int]) -> None:
        """Resize the background image.

        Args:
            size: (height, width) of the upsampled frames.
        """
        self._size, self._background = size, resize(puppet.appearance.background, size)

    def upsample(
        self, frame: Frame, puppet: PuppetClip, index: int
    ) -> UInt8[np.ndarray, "new_height new_width 3"]:
        """A frame that was generated from the puppet's pose of this index, at the larger size."""
        height, width, _ = frame.shape
        guide = self._guide(puppet.draw(index, box=(0, 0, width, height), size=self._size))
        small = cv2.resize(guide, (width, height), interpolation=cv2.INTER_AREA)
        gain, offset = guided_filter(small, frame.astype(np.float32))
        guide *= _enlarged(gain, self._size)
        guide += _enlarged(offset, self._size)
        return cv2.convertScaleAbs(np.maximum(guide, 0))

    def _guide(self, texture: Texture) -> Image:
        cover = texture[..., 3:4].astype(np.float32) / 255
        return texture[..., :3] + (1 - cover) * self._background


def guided_filter(
    guide: Float32[np.ndarray, "height width 3"], image: Float32[np.ndarray, "height width 3"]
) -> tuple[Float32[np.ndarray, "height width 3"], Float32[np.ndarray, "height width 3"]]:
    """Gain and offset of the linear function of the guide that the image is around each pixel.

    By channel; He et al. 2013, eq. 5, 6 and 8.
    """
    mean, mean_of_image = _mean(guide), _mean(image)
    variance = _mean(guide * guide) - mean * mean
    covariance = _mean(guide * image) - mean * mean_of_image
    gain = covariance / (variance + np.float32(_SMOOTHNESS**2))
    return _mean(gain), _mean(mean_of_image - gain * mean)


def _mean(image: Image) -> Image:
    side = 2 * _RADIUS_PX + 1
    return cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)


def _enlarged(image: Image, size: tuple[int, int]) -> Float32[np.ndarray, "new_height new_width 3"]:
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
