"""A judge sees each place's latest image or an earlier one of the same place, half of the time."""

import pytest
import torch

from motiontransfer.training.face_cycle import ImagePool

NUM_STEPS = 60


def pool_of(*, pool_size, batch_size=1, seed=3):
    return ImagePool(
        pool_size=pool_size,
        batch_size=batch_size,
        crop_size=1,
        seed=seed,
        device=torch.device("cpu"),
    )


def images(step, places):
    """Each says when and where it was made."""
    return (
        torch.tensor([step + place / 10 for place in places]).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)
    )


def run(pool, places, *, steps=range(NUM_STEPS)):
    """What is shown at each step."""
    shown = []
    for step in steps:
        seen = pool.sample(images(step, places), places, step=step)
        pool.keep(images(step, places), step=step)
        shown.append(seen[:, 0, 0, 0].tolist())
    return shown


def test_the_latest_is_shown_until_the_pool_is_full_then_half_of_the_time():
    shown = [values[0] for values in run(pool_of(pool_size=5), range(1))]
    assert shown[:5] == [0, 1, 2, 3, 4]
    earlier = [step for step, value in enumerate(shown) if value != step]
    assert all(shown[step] < step for step in earlier)
    assert 0.3 < len(earlier) / (NUM_STEPS - 5) < 0.7


def test_what_was_shown_again_makes_room_for_the_latest():
    """No image is shown again twice, and none that was shown as the latest later on."""
    shown = [values[0] for values in run(pool_of(pool_size=5), range(1))]
    again = [value for step, value in enumerate(shown) if value != step]
    assert len(set(again)) == len(again)
    assert all(shown[int(value)] != value for value in again if value >= 5)


def test_places_keep_to_themselves_and_can_be_shared():
    together = run(pool_of(pool_size=6, batch_size=3), range(3))
    assert all(
        round(value % 1, 4) == place / 10 for row in together for place, value in enumerate(row)
    )
    pool = pool_of(pool_size=6, batch_size=3)
    for step, row in enumerate(together):
        for places in (range(1), range(1, 3)):
            part = pool.sample(images(step, places), places, step=step)[:, 0, 0, 0].tolist()
            assert part == row[places.start : places.stop]
        pool.keep(images(step, range(3)), step=step)


def test_without_room_the_latest_is_always_shown():
    assert run(pool_of(pool_size=0), range(1)) == [[step] for step in range(NUM_STEPS)]


@pytest.mark.parametrize("stop", [2, 5, 30])
def test_a_state_comes_back(stop):
    whole = run(pool_of(pool_size=5), range(1))
    first, second = pool_of(pool_size=5), pool_of(pool_size=5)
    run(first, range(1), steps=range(stop))
    second.load_state({name: tensor.clone() for name, tensor in first.state().items()})
    assert run(second, range(1), steps=range(stop, NUM_STEPS)) == whole[stop:]


def test_another_seed_shows_others():
    shown = [run(pool_of(pool_size=5, seed=seed), range(1)) for seed in (3, 4)]
    assert shown[0] != shown[1]


def test_nothing_that_is_shown_carries_a_gradient():
    made = images(0, range(1)).clone().requires_grad_()
    assert not pool_of(pool_size=5).sample(made, range(1), step=0).requires_grad
