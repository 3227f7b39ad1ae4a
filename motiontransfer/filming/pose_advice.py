"""Judgment of how much of a dance a target's films or photos show, and what to film, too."""

from collections.abc import Mapping, Sequence

from motiontransfer.core.events import Judgment, PosesCompared
from motiontransfer.filming.key_poses import KeyPoses, find_key_poses
from motiontransfer.pose.facing import lacks_back
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.photos import is_photo, standing_still
from motiontransfer.pose.shown import SHOWN, compared_films, lacks_legs, what_is_shown

_ENOUGH_COVERED = 0.5  # of a region: below, arms are stretched and hands guessed (own-videos.md)
_NUM_PHOTOS = 2  # that somebody takes for it
_BACK = "the dancer turns the back, which no {} of you shows: you will face the camera; {}"


def compare_poses(
    dance: Keypoints, filmed: Sequence[Keypoints], *, name: str, num_poses: int
) -> tuple[PosesCompared, KeyPoses]:
    """Judgment and advice, and the poses that would add most: fewer for who gave photos.

    Args:
        name: of the transfer.
    """
    are_photos = all(map(is_photo, filmed))
    of, who = "film", "your films cover"
    if are_photos:
        of, who, num_poses = "photo", "as you stand in the photo you cover", _NUM_PHOTOS
    poses = find_key_poses(dance, filmed, num_poses=num_poses)
    most = what_is_shown(dance), min(map(what_is_shown, filmed), key=SHOWN.index)
    told, lacking = [], ["legs"] if lacks_legs(*most) else []
    if lacks_back(dance, [*map(standing_still, filmed)] if are_photos else filmed):
        told.append(_BACK.format(of, "show it in another" if are_photos else "turn once"))
        lacking.append("back")
    if poses.frames:
        shown = f"{len(poses.frames)} poses" if len(poses.frames) > 1 else "one pose"
        how = f"strike {shown} of it while you film"
        if are_photos:
            how = f"give a photo of you in {shown} of it, too"
        told.append(f"better: {how}, and it is {100 * poses.coverage[-1]:.0f} %")
    judgment, sentence = _judged(poses.of_regions, lacking, of)
    facts = f"{who} {poses.in_words()}", *compared_films(*most)
    compared = PosesCompared(
        name=name, judgment=judgment, sentence=sentence, facts=facts, advice=tuple(told)
    )
    return compared, poses


def _judged(covered: Mapping[str, float], lacking: Sequence[str], of: str) -> tuple[Judgment, str]:
    """Which regions of the body are as in the film or photo, and which are not.

    Args:
        lacking: parts that the dance shows, and no film or photo; of these nothing is stretched.
    """
    seen = {region: share for region, share in covered.items() if region not in lacking}
    weak = [region for region, share in seen.items() if share < _ENOUGH_COVERED]
    good = [region for region in seen if region not in weak]
    if not weak and not lacking:
        return "good", f"Good: the {of} shows what the dance needs."
    told = [
        f"Mostly in the {of}: {_listed(good)}." if good else f"Little of the dance is in the {of}."
    ]
    if weak:
        told.append(f"{_listed(weak).capitalize()} will be stretched from the {of}.")
    if lacking:
        told.append(f"Not in it: the {_listed(lacking)}.")
    return "fair" if good else "poor", " ".join(told)


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
