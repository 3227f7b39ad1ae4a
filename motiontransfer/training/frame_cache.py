"""Thread-safe random access to the frames of several frame stores.

A store has one position in its file, so each thread opens the stores for itself. Short clips stay
decoded in memory: decoding would take cores from training.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import Frame

_CACHED_BYTES = 1 << 30


class FrameCache:
    """Frames by (store, frame_index)."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the stores, which should hold frames of one size.

        Raises:
            MissingFileError: a file is not there.
            VideoError: a file holds no frames.
        """
        self._paths = list(paths)
        self._own = threading.local()
        height, width = self._stores()[0].size
        self._frame = lru_cache(_CACHED_BYTES // (height * width * 3))(self._decode)

    def __getitem__(self, index: tuple[int, int]) -> Frame:
        store, frame_index = index
        return self._frame(store, frame_index)

    def _decode(self, store: int, frame_index: int) -> Frame:
        return self._stores()[store][frame_index]

    def _stores(self) -> list[FrameStore]:
        if not hasattr(self._own, "stores"):
            self._own.stores = [FrameStore(path) for path in self._paths]
        return self._own.stores
