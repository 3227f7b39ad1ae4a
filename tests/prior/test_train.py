from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional

from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.pose.boxes import Viewport
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.pose_gan import PoseGanTask
from motiontransfer.video.tensors import levels_to_images
from prior.train import ActorWindows, KnownShadows, PriorTask, TrainParams, shadows_of
from tests.films import training_clip
from tests.people import SIZE, dance
from tests.training import small

PARAMS = {
    **{"actors": 2, "steps": 1, "learning_rate": 1e-3, "lr_decay_start": 0.5},
    **{"recolored_share": 0.0, "fewest_references": 2, "most_references": 2},
}
VIEWPORT = Viewport(margin_px=1.0, multiple_of=4)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two dancers, nine frames each at one a second, with their appearances."""
    root, found = tmp_path_factory.mktemp("people"), []
    for seed in (0, 5):
        keypoints = replace(dance(9, seed=seed), frame_rate=Fraction(1))
        clip = training_clip(root / str(seed), keypoints)
        found.append((clip, small.target_of([clip], num_references=9).appearance))
    return found


def windows_of(people, **changes):
    params = TrainParams(**{**PARAMS, **changes})
    return ActorWindows(people, small.gan_config(), params=params, viewport=VIEWPORT)


def test_each_clip_comes_with_all_few_and_neighboring_references(people):
    dataset = windows_of(people)
    assert [clip for clip, _ in dataset.windows] == np.repeat(range(6), 8).tolist()
    # Of each of the 9 frames, the mirrored one is the reference 9 behind.
    used = [{it % 9 for it in puppet.chosen.flat if it >= 0} for puppet in dataset._puppets]
    for all_of_them, few, third in zip(used[::3], used[1::3], used[2::3], strict=True):
        assert len(few) <= 2 < len(all_of_them)
        assert max(third) - min(third) < 3
    for puppet in dataset._puppets:
        apart = np.abs(puppet.chosen % 9 - np.arange(9)[:, None])[puppet.chosen >= 0]
        assert apart.min() >= 1


def test_a_window_has_the_room_of_its_actor(people):
    dataset = windows_of(people)
    for index in (0, 23, 24, 47):
        _, appearance = people[index // 24]
        assert np.array_equal(dataset.batch([index]).background, appearance.background)


def test_person_and_room_are_recolored_alike(people):
    plain, changed = (windows_of(people, recolored_share=share).batch([5]) for share in (0, 1))
    (x, y), (height, width) = plain.whole.corners[0], plain.frames.shape[2:4]
    rooms = [it.background[y : y + height, x : x + width] for it in (plain, changed)]
    is_room = (plain.frames[0, 0] == rooms[0]).all(dim=2)
    assert is_room.any()
    assert torch.equal(changed.frames[0, 0][is_room], rooms[1][is_room])
    assert not torch.equal(changed.frames, plain.frames)
    of_puppet = plain.textures[0, 0, ..., 3] == 255
    colors = {
        tuple(pair)
        for pair in torch.cat([plain.frames[0, 0], changed.frames[0, 0]], dim=2)[of_puppet].tolist()
    }
    assert len({pair[:3] for pair in colors}) == len(colors)  # one color, one other color
    assert torch.equal(changed.textures[..., 3:], plain.textures[..., 3:])
    assert torch.equal(changed.textures[..., :3].amax(-1) > 0, plain.textures[..., 3] > 0)


def test_shadows_are_told_by_what_is_around_the_person(people):
    """Here a darker room, and somebody in white before it."""
    batch = windows_of(people).batch([5])
    rows, columns = batch.whole.coarse.shape[2:4]
    room = functional.interpolate(
        levels_to_images(batch.background)[None], (rows, columns), mode="area"
    )
    levels = ((room[0].movedim(0, 2) + 1) * 127.5 - 20).clamp(0, 255).round().to(torch.uint8)
    person = np.s_[rows // 4 : rows // 2, columns // 4 : columns // 2]
    levels[person] = 255
    is_room = torch.ones((1, 2, rows, columns), dtype=torch.bool)
    is_room[:, :, *person] = False
    seen = torch.stack([levels, levels])[None]
    whole = replace(batch.whole, coarse=seen, is_room=is_room)
    found = shadows_of(replace(batch, whole=whole))
    assert found.shape == (2, 3, rows, columns)
    assert found.median() == pytest.approx(-20 / 127.5, abs=0.01)
    assert found[:, :, *person].max() <= 0


def task_of(kind, background, shadows=None):
    torch.manual_seed(0)
    generator = build_generator(
        small.generator_config(background="plate", viewport=VIEWPORT, texture="puppet"),
        background_image=background,
    ).apply(initialize)
    networks = generator, small.discriminator().apply(initialize)
    generator.shadows = KnownShadows()
    generator.shadows.shadows = shadows
    own = {"style": small.STYLE, "skeleton": HOLISTIC, "config": small.gan_config(), "seed": 0}
    return kind(small.runtime(), networks, **own)


def test_a_step_is_that_of_one_person_in_that_room(people):
    batch = windows_of(people).batch([30])
    task = task_of(PriorTask, torch.zeros(3, *SIZE))
    alone = task_of(PoseGanTask, levels_to_images(batch.background), batch.shadows)
    losses, expected = (it.step(batch, step=0, learning_rate=1e-3) for it in (task, alone))
    assert losses == expected
    for name, weights in alone.generator.network.state_dict().items():
        assert torch.equal(task.generator.network.state_dict()[name], weights)


def test_a_sample_shows_six_windows_beside_their_puppets(people):
    dataset = windows_of(people)
    task = task_of(PriorTask, torch.zeros(3, *SIZE))
    before = task.generator
    image = task.sample(dataset)
    height, width = SIZE
    assert image.shape == (6 * height, 3 * width, 3)
    assert task.generator is before
    first = dataset.batch([0])
    real = first.frames[0, -1].numpy()
    assert np.array_equal(image[: real.shape[0], : real.shape[1]], real)
