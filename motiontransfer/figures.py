"""Figures as PNG files in one style, the same bytes for the same content.

`write_figure` gives a Matplotlib figure, without pyplot's global state, and writes it at the end:

    with write_figure(path, width=9.0, height=5.0) as figure:
        axes = figure.subplots()

`stacked` divides it into bands of given heights, `tiles` into axes that show images.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase, SubFigure

from motiontransfer.storage import replacing


@contextmanager
def write_figure(
    path: Path, *, width: float, height: float, dpi: int = 100, tight: bool = False
) -> Generator[Figure]:
    """Yield a figure, sizes in inches; write it if the block succeeds, `tight` without margins."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    yield figure
    with replacing(path) as temporary:
        figure.savefig(
            temporary, bbox_inches="tight" if tight else None, metadata={"Software": None}
        )


def stacked(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Bands of the figure from top to bottom, with heights in this proportion."""
    return list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])


def tiles(figure: FigureBase, rows: int, columns: int) -> list[Axes]:
    """Axes without frame and ticks, row by row."""
    grid = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    return list(grid)
