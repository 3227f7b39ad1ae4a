"""Interlaced films: fields of two moments are found by FFmpeg's idet and deinterlaced by its bwdif.

The flag of a frame tells only how it was stored. 25 whole frames a second are often stored as 50
fields, and would lose detail. Telecined film repeats fields, so that it has fewer moments.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Literal

import av
from av.filter import Graph

from motiontransfer.video.filters import filter_graph, ready

Scan = Literal["progressive", "interlaced", "telecined"]

_COMBED = 0.1  # of the frames that idet judges: noise has none, a dancer at rest has few
_REPEATING = 0.25  # of the frames; of telecined film two in five repeat a field


def scan_of(runs: Iterable[Iterable[av.VideoFrame]]) -> Scan:
    """Whether the two fields of frames are of two moments, from some runs of consecutive frames."""
    combed = judged = repeating = total = 0
    for run in runs:
        for frame in _filtered(run, "idet"):
            kind, repeated = (
                frame.metadata[f"lavfi.idet.{name}.current_frame"]
                for name in ("single", "repeated")
            )
            combed += kind in ("tff", "bff")
            judged += kind != "undetermined"
            repeating += repeated != "neither"
            total += 1
    if combed <= _COMBED * judged:
        return "progressive"
    return "telecined" if repeating > _REPEATING * total else "interlaced"


def deinterlaced(frames: Iterable[av.VideoFrame], scan: Scan) -> Iterator[av.VideoFrame]:
    """Whole frames: two of each interlaced one, one of each telecined one."""
    if scan == "progressive":
        return iter(frames)
    mode = "send_field" if scan == "interlaced" else "send_frame"
    return _filtered(frames, "bwdif", f"mode={mode}:deint=interlaced")


def _filtered(frames: Iterable[av.VideoFrame], *named: str) -> Iterator[av.VideoFrame]:
    """Frames through a filter, anew where their size changes; what it holds comes before errors."""
    for _, alike in groupby(frames, lambda frame: (frame.width, frame.height, frame.format.name)):
        first = next(alike)
        graph = filter_graph(first, named)
        try:
            for frame in chain([first], alike):
                graph.push(frame)
                yield from ready(graph.vpull)
        except Exception:
            yield from _rest(graph)
            raise
        yield from _rest(graph)


def _rest(graph: Graph) -> Iterator[av.VideoFrame]:
    """What a graph holds at the end of its frames."""
    graph.push(None)
    return ready(graph.vpull)
