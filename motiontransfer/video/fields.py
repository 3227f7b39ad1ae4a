"""Interlaced films: fields of two moments are found by FFmpeg's idet and deinterlaced by its bwdif.

The flag of a frame tells only how it was stored. 25 whole frames a second are often stored as 50
fields, and would lose detail. Telecined film repeats fields, so that it has fewer moments.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal

import av
import av.filter

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


def _filtered(
    frames: Iterable[av.VideoFrame], name: str, options: str | None = None
) -> Iterator[av.VideoFrame]:
    """Frames through a filter, anew where their size changes; what it holds comes before errors."""
    graph, shape = av.filter.Graph(), ()
    try:
        for frame in frames:
            if shape != (shape := (frame.width, frame.height, frame.format.name)):
                yield from _pulled(graph)
                graph = _built(frame, name, options)
            graph.push(frame)
            yield from _pulled(graph, ends=False)
    except Exception:
        yield from _pulled(graph)
        raise
    yield from _pulled(graph)


def _pulled(graph: av.filter.Graph, *, ends: bool = True) -> Iterator[av.VideoFrame]:
    """Frames that are ready; at the end, all."""
    if not graph.configured:
        return
    if ends:
        graph.push(None)
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame


def _built(frame: av.VideoFrame, name: str, options: str | None) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, av.time_base),
    )
    graph.link_nodes(source, graph.add(name, options), graph.add("buffersink")).configure()
    return graph
