"""Numbers of the choice of references, each with its unit and reason.

`python -m benchmarks.transfer.rules FOLDER --only choice` tells what each of them is worth.
"""

from dataclasses import dataclass, field

Kinds = dict[str, float]
"""By kind of part: head, hand, other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceConfig:
    """What a reference costs; % of the body's height, if no other unit is said."""

    # Distances. Larger: a reference in another pose is taken instead.
    mirrored: Kinds = field(default_factory=lambda: {"head": 0.5, "hand": 2.0, "other": 2.0})
    """Of a mirrored part: light and folds are on the wrong side. Most heads are alike on both."""
    exchanged: Kinds = field(default_factory=lambda: {"head": 1.0, "hand": 4.0, "other": 4.0})
    """Of the front as the back: it is a guess. As little of a head, whose face hair hides, only if
    none was filmed from behind; else as of others."""
    facing: float = 3.0  # between a part seen from the front and in profile
    other_side: float = 2.0  # times what is beyond profile, of a head: it turns as far by itself
    foreshortened: float = 1.7  # times an arm's other half length: end on, it is wide at its elbow
    enlarging: float = 1.5  # per factor e of size: enlarged it is blurred
    missing: Kinds = field(default_factory=lambda: {"head": 3.0, "hand": 6.0, "other": 3.0})
    """Of a reference without the part's joints: its pose is not known. A hand without fingers was
    blurred, and ends before them."""
    before_head: float = 10.0  # of a hand there, if the pose's is elsewhere: skin comes along

    # Penalties, which change the choice alone.
    hidden: float = 10.0  # where it shows nothing of the part: it was filled, is a hole, or unlike
    blurred: Kinds = field(default_factory=lambda: {"head": 8.0, "hand": 2.0, "other": 3.5})
    """Where the part is wholly blurred."""

    # What is shown of a part, a share of it.
    shown_quantile: float = 0.8  # over references: so much is shown of a part that nothing hides
    one_sided: float = 0.5  # of what is shown of the other side; less is no measure of a whole one
    whole: float = 0.9  # of it, from which on nothing is hidden: masks differ by a few percent
    num_similar: int = 8  # references in similar poses, with which a limb is compared

    # Hair over faces; degrees of yaw, 90 in profile, 180 from behind.
    shows_side: float = 15.0  # of a reference: within, both sides of its head are seen alike
    shows_face: float = 60.0  # of a reference: beyond, its head is seen in profile
    hair: tuple[float, float] = (90.0, 100.0)  # of a pose: from first hair to no face
    steps_of_hair: int = 8  # in between: each is made once for each reference

    # Parts together, and over time.
    seam: float = 1.5  # of different references of parts that meet
    most_of_skirt: float = 13.0  # distance at which a skirt is drawn: beyond, it floats
    switch: Kinds = field(default_factory=lambda: {"head": 0.0012, "hand": 0.002, "other": 0.016})
    """Of a switch, times seconds, for each level of 255 by which the references look different."""
    lasts_seconds: float = 0.2  # live, for which another reference is taken to be the better one
    other_view: float = 60.0  # levels between references of which one is mirrored or exchanged
    num_candidates: int = 6  # the best of each frame, compared over a clip: time is limited
    fade: int = 2  # frames before and after a switch, in which colors pass over
    unlike: float = 40.0  # levels between colors, from which on less does: they would be ghosts


CHOICE = ChoiceConfig()
