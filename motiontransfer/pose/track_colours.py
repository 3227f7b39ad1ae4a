"""The colour of a track, the same in every picture: told apart by most people, bright on dark."""

_COLOURS = (
    *((255, 75, 75), (77, 171, 247), (81, 207, 102), (255, 212, 59), (204, 93, 232)),
    *((255, 146, 43), (34, 184, 207), (247, 131, 172), (148, 216, 45), (177, 151, 252)),
)


def track_colour(track: int) -> tuple[int, int, int]:
    """RGB, 0 to 255; every tenth track has the same."""
    return _COLOURS[track % len(_COLOURS)]
