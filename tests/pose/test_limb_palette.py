"""A limb looks the same on every map, whoever found its joints."""

import pytest

from motiontransfer.pose.rendering import limb_palette
from motiontransfer.skeleton import BODY_LIMBS, HOLISTIC, LIMBS_OF_GROUP, Skeleton


def looks(skeleton, encoding):
    """(start joint, end joint) -> how it is drawn."""
    palette = limb_palette(skeleton, encoding)
    names = skeleton.joints
    return {
        (names[start], names[end]): look
        for start, end, *look in zip(
            *(
                palette.start,
                palette.end,
                palette.relative_width,
                palette.channels,
                palette.intensities,
            ),
            strict=True,
        )
    }


@pytest.mark.parametrize("encoding", ["sticks", "limbs"])
def test_every_limb_has_a_look_and_keeps_it_where_other_joints_are_unknown(encoding):
    whole = looks(HOLISTIC, encoding)
    assert set(whole) == {limb for limbs in LIMBS_OF_GROUP.values() for limb in limbs}
    legs = ("left_ankle", "left_knee", "left_hip", "right_hip")
    part = looks(Skeleton(groups=(("some_legs", legs),)), encoding)
    assert set(part) == {limb for limb in BODY_LIMBS if set(limb) <= set(legs)}
    assert len(part) == 3
    assert part == {limb: whole[limb] for limb in part}


def test_shades_of_all_limbs_are_within_what_a_channel_holds():
    for encoding, num_channels in (("sticks", 3), ("limbs", 1)):
        palette = limb_palette(HOLISTIC, encoding)
        assert {len(intensities) for intensities in palette.intensities} == {num_channels}
        assert all(0 <= shade <= 1 for intensities in palette.intensities for shade in intensities)
