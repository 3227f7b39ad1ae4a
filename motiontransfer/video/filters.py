"""Chains of FFmpeg's filters for decoded frames."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import TypeVar

import av
import av.filter

_Frame = TypeVar("_Frame")


def filter_graph(frame: av.VideoFrame, *filters: Sequence[str]) -> av.filter.Graph:
    """Filters in a row, each by its name and its options, for frames such as this one."""
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, av.time_base),
    )
    steps = [graph.add(*each) for each in filters]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
    return graph


def ready(pull: Callable[[], _Frame]) -> Iterator[_Frame]:
    """What a graph's `vpull` or `pull` gives until it needs more, or has ended."""
    while True:
        try:
            frame = pull()
        except (BlockingIOError, EOFError):
            return
        yield frame
