"""Types of arrays that several packages share, and the order of their axes.

Images in NumPy are `height width 3`, tensors `3 height width`. Points are (x, y) in pixels, the
origin is top left.
"""

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Float64, Int64, UInt8

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""
Boxes = Int64[np.ndarray, "boxes 4"]

Frame = UInt8[np.ndarray, "height width 3"]
"""RGB."""
MaskedFrame = UInt8[np.ndarray, "height width 4"]
"""RGB, and the person's share of each pixel, of 255."""
AnyFrame = UInt8[np.ndarray, "_ _ 3"]
"""Any height and width."""
Mask = UInt8[np.ndarray, "height width"]
"""Share of each pixel that shows the person, of 255."""
PixelMask = Bool[np.ndarray, "height width"]
"""Which pixels."""
Gray = UInt8[np.ndarray, "_ _"]
"""Levels of any height and width."""
Plane = Float32[np.ndarray, "height width"]
"""A number for each pixel."""

Series = Float64[np.ndarray, " frames"]
"""A number for each frame."""
Numbers = Float64[np.ndarray, " _"]
"""Any number of them."""
FrameMask = Bool[np.ndarray, " frames"]
"""Which frames."""
JointMask = Bool[np.ndarray, "frames joints"]
"""Which joints of each frame."""
Points = Float[np.ndarray, "frames joints 2"]
Scores = Float[np.ndarray, "frames joints"]
"""Confidence of each point, in [0, 1]; 0 where it is missing."""
Places = Float64[np.ndarray, "frames 2"]
"""A point for each frame."""
Vectors = Complex128[np.ndarray, " frames"]
"""(x, y) of each frame as x + iy, so that a product turns."""
Joints = Float[np.ndarray, "joints 2"]
"""Points of one frame."""
Vector = Float64[np.ndarray, "2"]
Affine = Float64[np.ndarray, "2 3"]
"""Matrix that maps (x, y, 1) to (x, y)."""
