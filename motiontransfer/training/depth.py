"""Check of a network's depth against the size of its images."""

from motiontransfer.errors import TrainingError


def check_depth(size: tuple[int, int], *, stride: int, section: str) -> None:
    """Refuse a network whose coarsest level has no neighbours to normalise over.

    Raises:
        TrainingError: the images shrink to fewer than 2x2 cells.
    """
    height, width = -(-size[0] // stride), -(-size[1] // stride)
    if min(height, width) < 2:
        raise TrainingError(
            f"{section}.num_downsamplings: images of {size[0]}x{size[1]} pixels shrink to "
            f"{height}x{width}; expected at least 2x2; use fewer, or larger images"
        )
