from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from motiontransfer.core.errors import MissingFileError, TrainingError
from motiontransfer.core.layout import masks_beside
from motiontransfer.models.generators import Generated, build_generator
from motiontransfer.models.layers import downsample_by_2, initialize
from motiontransfer.models.runtime import make_runtime
from motiontransfer.pose.boxes import Viewport, equal_viewports, person_boxes
from motiontransfer.pose.drawing import PoseMapStyle, draw_rgb
from motiontransfer.pose.skeleton import HOLISTIC, Skeleton
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.puppet.masks import read_masks, write_masks
from motiontransfer.puppet.warping import Puppet, PuppetClip
from motiontransfer.rendering.rollout import generate_clip
from motiontransfer.training import pose_gan
from motiontransfer.training.checkpoint import MeanLosses
from motiontransfer.training.gan import VGG19Features
from motiontransfer.training.pose_gan import PoseGanTask
from motiontransfer.training.windows import hide_limbs, limb_groups, puppets_of_clips
from motiontransfer.video.frame_store import write_frames
from motiontransfer.video.tensors import levels_to_images
from tests.films import training_clip
from tests.people import SIZE, dance, picture, puppet_of
from tests.training import small

VIEWPORT = Viewport(margin_px=1.0, multiple_of=4)


class Remembering(nn.Module):
    """A generator of one flat colour that remembers what it was shown."""

    def __init__(self, value=0.3):
        super().__init__()
        self.colour = nn.Parameter(torch.full((1, 3, 1, 1), value))
        self.shown = []

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        self.shown.append((pose_map.detach().clone(), previous_frame.detach().clone()))
        frame = self.colour + 0.5 * previous_frame + 0 * pose_map[:, :1]
        return Generated(frame, frame)


def task_of(
    generator,
    scored_by=None,
    *,
    on=None,
    style=small.STYLE,
    perceptual=None,
    resolution="full",
    **changes,
):
    config = small.gan_config(**changes)
    if scored_by is None:
        scored_by = small.discriminator(window_frames=config.window_frames, style=style)
        scored_by.apply(initialize)
    return PoseGanTask(
        on or small.runtime(),
        (generator, scored_by),
        style=style,
        skeleton=HOLISTIC,
        config=config,
        seed=0,
        perceptual=perceptual,
        resolution=resolution,
    )


@pytest.fixture
def batch(clip):
    return small.windows_of([clip]).batch([0, 2, 4])


def real_images(batch):
    return levels_to_images(batch.frames)


def poses_of(batch, time, *, size=SIZE):
    drawer = PoseDrawer(skeleton=HOLISTIC, style=small.STYLE)
    return drawer.draw(batch.points[:, time], batch.score[:, time], size=size)


def test_the_gradient_reaches_the_first_frame_through_the_second(batch):
    """All pixels are too dark: each frame's L1 has gradient -1, and 0.5 of the second's goes on."""
    generator, captured = Remembering(value=-0.9), []
    weights = {"adversarial_weight": 0.0, "feature_matching_weight": 0.0, "l1_weight": 1.0}
    task = task_of(generator, small.MeanDiscriminator(), foreground_l1_weight=1.0, **weights)
    generator.colour.register_hook(lambda gradient: captured.append(gradient.sum().item()))
    white = replace(batch, frames=torch.full_like(batch.frames, 255))
    task.step(white, step=0, learning_rate=0.0)
    assert captured[0] == pytest.approx(-1 - 0.5 * 0.5)


OBJECTIVES = {
    "least_squares": (lambda fake: (fake - 1) ** 2, lambda real, fake: (real - 1) ** 2 + fake**2),
    "log": (
        lambda fake: np.log1p(np.exp(-fake)),
        lambda real, fake: np.log1p(np.exp(-real)) + np.log1p(np.exp(fake)),
    ),
}


@pytest.mark.parametrize(
    ("objective", "weights"),
    [*((objective, (3.0, 5.0, 7.0, 8.0)) for objective in OBJECTIVES), ("least_squares", (0,) * 4)],
)
def test_both_networks_are_trained_by_weighted_losses(batch, objective, weights):
    adversarial, matching, l1, perceptual = weights
    task = task_of(
        Remembering(),
        small.MeanDiscriminator(),
        perceptual=small.Slices(1),
        objective=objective,
        adversarial_weight=adversarial,
        feature_matching_weight=matching,
        l1_weight=l1,
        perceptual_weight=perceptual,
        foreground_l1_weight=1.0,
    )
    losses = task.step(batch, step=0, learning_rate=0.0)
    real, fake = real_images(batch).flatten(1, 2).mean((1, 2, 3)).numpy(), (0.3 + 0.45) / 2
    first, second = real_images(batch).unbind(1)
    difference = ((first - 0.3).abs().mean() + (second - 0.45).abs().mean()).item() / 2
    of_generator, of_discriminator = OBJECTIVES[objective]
    expected = {
        "generator/adversarial": adversarial * of_generator(fake + 0.5),
        "generator/feature_matching": matching * 4 * abs(real - fake).mean(),
        "generator/l1": l1 * difference,
        "generator/perceptual": perceptual * difference / 32,
        "discriminator/adversarial": of_discriminator(real + 0.5, fake + 0.5).mean() / 2,
        "generator/sharpness": 0.0,  # `Remembering` generates even frames
    }
    got = {name: loss.item() for name, loss in losses.items()}
    assert got == pytest.approx(expected, rel=1e-4)


VARIANTS = {
    "limbs hidden": {"limb_dropout": 1.0},
    "sticks": {"encoding": "sticks"},
    "heatmaps": {"encoding": "heatmaps"},
    "perceptual loss": {"perceptual_weight": 1.0},
    "one frame": {"window_frames": 1, "previous_frame": "none"},
    "two poses": {"conditioning_poses": 2, "background": "generated"},
    "global": {"architecture": "global"},
    "local": {"architecture": "local", "upsampling": "transposed"},
    "puppet": {"texture": "puppet"},
    "viewport": {"viewport": VIEWPORT},
    "puppet, local": {"texture": "puppet", "architecture": "local"},
    "puppet, half the resolution": {"texture": "puppet", "resolution": "half"},
}


OF_LOSSES = ("window_frames", "limb_dropout", "perceptual_weight")


def variant(clip, puppet, *, on, encoding="limbs", resolution="full", **changes):
    """Task and windows of one variant of the recipe."""
    torch.manual_seed(0)
    style = PoseMapStyle(encoding=encoding, line_width_px=3.0)
    options = {name: changes.pop(name) for name in OF_LOSSES if name in changes}
    config = small.generator_config(pose_channels=style.num_channels, **changes)
    if resolution == "half":
        config = replace(config, size=(SIZE[0] // 2, SIZE[1] // 2))
    image = torch.zeros(3, *config.size) if config.has_background_image else None
    network = build_generator(config, background_image=image).apply(initialize)
    dataset = small.windows_of(
        [clip],
        window_frames=options.get("window_frames", 2),
        conditioning_poses=config.conditioning_poses,
        viewport=config.viewport,
        puppet=puppet if config.texture == "puppet" else None,
    )
    if options.get("perceptual_weight"):
        options["perceptual"] = VGG19Features()
        del options["perceptual"].features[2:]  # the images are small
    task = task_of(network, on=on, style=style, resolution=resolution, **options)
    return task, dataset.batch([0, 3])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_moves_every_weight_and_no_step_waits_for_a_gpu(clip, puppet, name, gpu):
    task, batch = variant(clip, puppet, on=make_runtime(precision="32-true"), **VARIANTS[name])
    networks, pinned = (task.generator, task.discriminator), batch.pin_memory()
    before = [{k: v.detach().clone() for k, v in each.named_parameters()} for each in networks]
    losses, waits = MeanLosses(), gpu.waits.copy()
    for step in range(2):
        losses.add(task.step(pinned, step=step, learning_rate=1e-3))
    assert gpu.waits == waits
    assert gpu.kernels["_fused_adam_"] == 4
    losses.read(task.runtime, done=2, description="all are finite")
    for network, old in zip(networks, before, strict=True):
        assert not [k for k, v in network.named_parameters() if torch.equal(v, old[k])]


def shown(clip, *, conditioning_poses=1, resolution="full", **changes):
    """Inputs of generator and discriminator in one step."""
    dataset = small.windows_of(
        [clip], window_frames=changes.get("window_frames", 2), conditioning_poses=conditioning_poses
    )
    batch, generator, scored_by = dataset.batch([0, 3, 4]), Remembering(), small.MeanDiscriminator()
    task = task_of(generator, scored_by, resolution=resolution, **changes)
    task.step(batch, step=0, learning_rate=0.0)
    return batch, generator.shown, scored_by.shown


@pytest.mark.parametrize(("window_frames", "resolution"), [(1, "full"), (2, "full"), (2, "half")])
def test_the_frames_are_generated_in_a_row_and_scored_together(clip, window_frames, resolution):
    batch, generated, [(condition, images)] = shown(
        clip, window_frames=window_frames, resolution=resolution
    )
    sized = downsample_by_2 if resolution == "half" else nn.Identity()
    values = [0.3, 0.45][:window_frames]
    for time, (pose_maps, before) in enumerate(generated):
        assert torch.equal(pose_maps, sized(poses_of(batch, time)))
        assert before.mean().item() == pytest.approx(values[time - 1] if time else 0)
    assert len(generated) == window_frames
    poses = torch.cat([poses_of(batch, time) for time in range(window_frames)], dim=1)
    assert torch.equal(condition, sized(poses))
    real, fake = images.chunk(2)
    assert torch.equal(real, sized(real_images(batch).flatten(1, 2)))
    for frame, value in zip(fake.split(3, dim=1), values, strict=True):
        assert torch.allclose(frame, torch.tensor(value))


def test_the_pose_before_is_shown_to_the_generator_alone(clip):
    batch, generated, [(condition, _)] = shown(clip, conditioning_poses=2)
    for time, (pose_maps, _) in enumerate(generated):
        older, own = pose_maps.chunk(2, dim=1)
        assert torch.equal(older, poses_of(batch, time))
        assert torch.equal(own, poses_of(batch, time + 1))
    assert not generated[0][0][0, : small.STYLE.num_channels].any()  # before the clip's first frame
    assert torch.equal(condition, torch.cat([poses_of(batch, 1), poses_of(batch, 2)], dim=1))


def test_a_hidden_limb_is_hidden_from_all_in_all_poses(clip):
    batch, generated, [(condition, _)] = shown(clip, limb_dropout=1.0)
    gone = []
    for time, drawn in enumerate(condition.chunk(2, dim=1)):
        assert torch.equal(generated[time][0], drawn)
        poses = poses_of(batch, time)
        assert (drawn <= poses).all()
        gone.append((poses > 0).any((2, 3)) & ~(drawn > 0).any((2, 3)))
    assert torch.equal(*gone)
    assert gone[0].any()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["fast", "local"])
def test_one_pair_is_learnt_by_heart(clip, architecture):
    """L1 falls to a third of what the untrained network has, and the average follows."""
    torch.manual_seed(0)
    batch = small.windows_of([clip]).batch([0])
    config = small.generator_config(architecture=architecture, num_filters=12, max_channels=24)
    network = build_generator(config, background_image=torch.zeros(3, *SIZE))
    task = task_of(network.apply(initialize))
    losses = [task.step(batch, step=step, learning_rate=2e-3) for step in range(90)]
    assert losses[-1]["generator/l1"] < losses[0]["generator/l1"] / 3
    with torch.no_grad():
        real = real_images(batch)[:, 0]
        made, _ = task.ema(poses_of(batch, 0), torch.zeros_like(real))
    assert (made - real).abs().mean() < 0.2


class Flat(nn.Module):
    """A generator of one colour that says it synthesized another one."""

    def __init__(self, frame, synthesized):
        super().__init__()
        self.colours = nn.Parameter(torch.tensor([frame, synthesized]))

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        return Generated(*(colour + 0 * previous_frame for colour in self.colours))


def test_the_synthesized_image_is_supervised_like_the_frame(clip, puppet):
    """Its loss is a share of the frame's, were it the frame."""
    batch = small.windows_of([clip], puppet=puppet).batch([0, 2, 4])
    taken = [
        task_of(Flat(*colours)).step(batch, step=0, learning_rate=0.0)
        for colours in ((0.3, -0.4), (-0.4, 0.3))
    ]
    frames, synthesized = (
        [losses[f"generator/{name}"].item() for losses in taken]
        for name in ("l1", "synthesized_l1")
    )
    share = synthesized[0] / frames[1]
    assert synthesized[1] / frames[0] == pytest.approx(share)
    assert 0 < share <= 1


def test_the_average_shares_the_puppet(puppet):
    config = small.generator_config(texture="puppet")
    network = build_generator(config, background_image=torch.zeros(3, *SIZE), puppet=puppet)
    task = task_of(network)
    assert task.ema is not task.generator
    assert task.ema.puppet is puppet


def test_the_sample_shows_the_puppet_without_frames_less_than_a_second_away(
    clip, puppet, monkeypatch
):
    seen = []

    def recorded(generator, keypoints, *, excluded, **options):
        seen.append(excluded)
        return generate_clip(generator, keypoints, excluded=excluded, **options)

    monkeypatch.setattr(pose_gan, "generate_clip", recorded)
    config = small.generator_config(texture="puppet")
    network = build_generator(config, background_image=torch.zeros(3, *SIZE), puppet=puppet)
    task_of(network.apply(initialize)).sample(small.windows_of([clip], puppet=puppet))
    near = np.abs(np.arange(8)[:, None] - np.arange(8)) < 2  # two frames a second
    assert np.array_equal(seen[0], near[:1])
    assert np.array_equal(seen[3], near[3:5])


def test_a_window_holds_consecutive_frames_with_their_poses_and_those_before(tmp_path):
    clips = [
        training_clip(tmp_path / str(i), dance(6, seed=i), training_frames=range(1, 6))
        for i in range(2)
    ]
    batch = small.windows_of(clips, conditioning_poses=3).batch([6, 0, 2])
    for place, (clip, first) in enumerate([(1, 3), (0, 1), (0, 3)]):
        keypoints = clips[clip].keypoints
        shown = np.stack([picture(keypoints, t) for t in (first, first + 1)])
        assert np.array_equal(batch.frames[place], shown)
        known = slice(first - 2 if first == 3 else first, first + 2)
        lacking = 4 - (known.stop - known.start)
        assert np.array_equal(batch.points[place, lacking:], keypoints.points[known])
        assert np.array_equal(batch.score[place, lacking:], keypoints.score[known])
        assert not batch.score[place, :lacking].any()  # frame 0 is not one to train on


def test_clips_without_people_or_frames_are_refused(tmp_path):
    clip = training_clip(tmp_path, dance(4, missing=[1, 3]))
    with pytest.raises(TrainingError, match="no 2 consecutive frames with a body among 1 clips"):
        small.windows_of([clip])
    clip.frames.unlink()
    with pytest.raises(MissingFileError, match=r"frames\.mkv"):
        small.windows_of([clip], window_frames=1)


def test_a_window_shows_a_body_in_every_frame(tmp_path):
    keypoints = dance(8, missing=[3])
    keypoints.score[3, keypoints.skeleton.index("left_hand_wrist")] = 0.9  # a hand is no body
    first = training_clip(tmp_path / "a", keypoints, training_frames=range(7))
    second = training_clip(tmp_path / "b", dance(2))
    dataset = small.windows_of([first, second])
    assert dataset.windows == [(0, t) for t in (0, 1, 4, 5)] + [(1, 0)]
    assert dataset.num_windows_without_body == 2
    ones = small.windows_of([first, second], window_frames=1)
    assert ones.windows == [(0, t) for t in (0, 1, 2, 4, 5, 6)] + [(1, 0), (1, 1)]
    assert ones.batch([3]).frames.shape == (1, 1, 48, 40, 3)


def hidden(indices=range(40), *, share=0.5, seed=0, step=0, skeleton=HOLISTIC):
    score = torch.full((len(indices), 3, len(skeleton.joints)), 0.7)
    left = hide_limbs(score, indices, skeleton=skeleton, share=share, seed=seed, step=step)
    assert torch.equal(score, torch.full_like(score, 0.7))
    return left == 0


def test_an_arm_goes_with_its_hand():
    groups = [{HOLISTIC.joints[i] for i in group} for group in limb_groups(HOLISTIC)]
    assert len(groups) == 7
    arm, leg, hand = groups[:3]
    assert {"left_elbow", "left_wrist", "left_hand_wrist", "left_hand_pinky_tip"} <= arm
    assert leg == {"left_knee", "left_ankle", "left_heel", "left_foot_index"}
    assert hand < arm
    assert len(hand) == 21
    assert {"face_chin", "left_face_cheek"} <= groups[6]
    trunk = {"nose", "left_shoulder", "right_hip", "left_eye"}
    assert not any(trunk & group for group in groups)
    left = {name.replace("left_", "right_") for name in arm}
    assert left == groups[3]


def test_exactly_one_limb_is_hidden_in_all_poses_of_a_window():
    gone = hidden(share=1.0)
    assert torch.equal(gone[:, 0], gone[:, 2])
    groups = [set(group) for group in limb_groups(HOLISTIC)]
    of_windows = [set(np.flatnonzero(window[0]).tolist()) for window in gone]
    assert all(joints in groups for joints in of_windows)
    assert all(group in of_windows for group in groups)  # each has its turn


@pytest.mark.parametrize(
    ("share", "tolerance"), [(0.0, 0.0), (0.1, 0.05), (0.5, 0.05), (0.9, 0.05)]
)
def test_the_share_of_windows_is_kept(share, tolerance):
    gone = hidden(range(2000), share=share).any(2).any(1)
    assert gone.float().mean().item() == pytest.approx(share, abs=tolerance)


def test_hidden_limbs_depend_on_seed_step_and_index():
    whole = hidden()
    assert torch.equal(hidden(range(10, 20)), whole[10:20])
    assert not torch.equal(hidden(seed=1), whole)
    assert not torch.equal(hidden(step=1), whole)


def test_limbs_that_a_skeleton_lacks_are_not_drawn():
    skeleton = Skeleton(groups=(("body", ("nose", "left_knee", "left_ankle")),))
    assert limb_groups(skeleton) == [[1, 2]]
    assert hidden(share=1.0, skeleton=skeleton)[:, :, 1:].all()


def test_a_sample_column_is_pose_real_and_generated_after_one_frame_of_lead_in(clip):
    sample = task_of(small.brighter()).sample(small.windows_of([clip]))
    columns = np.split(sample, 6, axis=1)
    for column, index, level in [(0, 0, 0.1), (3, 4, 0.2)]:
        pose, real, generated = np.split(columns[column], 3)
        expected = draw_rgb(
            clip.keypoints.points[index],
            clip.keypoints.score[index],
            skeleton=clip.keypoints.skeleton,
            size=SIZE,
            style=small.STYLE,
        )
        assert np.array_equal(pose, expected)
        assert np.array_equal(real, picture(clip.keypoints, index))
        assert np.unique(generated).tolist() == [round((level + 1) * 127.5)]


FIRST_FRAMES = [0, 3, 5]


def boxes_of(clip):
    """Of each window both of whose frames' people are inside, all of one size."""
    keypoints = clip.keypoints
    people = person_boxes(VIEWPORT, keypoints.points, keypoints.score, image_size=SIZE)
    both = [
        np.concatenate([people[t : t + 2, :2].min(axis=0), people[t : t + 2, 2:].max(axis=0)])
        for t in FIRST_FRAMES
    ]
    return equal_viewports(VIEWPORT, np.stack(both), image_size=SIZE)


def test_a_viewport_reads_the_part_of_both_frames_that_holds_the_person(clip):
    whole_frames = small.windows_of([clip], conditioning_poses=2).batch(FIRST_FRAMES)
    batch = small.windows_of([clip], conditioning_poses=2, viewport=VIEWPORT).batch(FIRST_FRAMES)
    boxes = boxes_of(clip)
    assert len(np.unique(boxes[:, 0])) > 1
    maps = poses_of(whole_frames, 1), poses_of(batch, 1, size=batch.frames.shape[2:4])
    assert batch.frames.shape[2:4] < SIZE
    for sample, (x0, y0, x1, y1) in enumerate(boxes):
        part = whole_frames.frames[sample, :, y0:y1, x0:x1]
        assert torch.equal(batch.frames[sample], part)
        torch.testing.assert_close(maps[1][sample], maps[0][sample][:, y0:y1, x0:x1])
    coarse = levels_to_images(batch.whole.coarse).flatten(0, 1)
    assert torch.equal(coarse, levels_to_images(whole_frames.frames).flatten(0, 1))


def test_shadows_are_learnt_outside_the_viewport_and_beside_the_person(clip, tmp_path):
    """In the viewport only in frames with a mask that was not drawn around joints."""
    found = read_masks(clip.masks_file)
    assert found.frame_index.tolist() == list(range(8))
    known, is_drawn = (
        np.array([0, 1, 3, 5, 6], np.int32),
        np.array([False, False, False, True, False]),
    )
    file = tmp_path / "keypoints/clip.parquet"
    masks = replace(found, frame_index=known, masks=found.masks[known], is_drawn=is_drawn)
    write_masks(masks_beside(file), masks)
    clip = replace(clip, keypoints_file=file)
    windows = small.windows_of([clip], viewport=VIEWPORT).batch(FIRST_FRAMES).whole.is_background
    for window, first, (x0, y0, x1, y1) in zip(windows, FIRST_FRAMES, boxes_of(clip), strict=True):
        for t in (0, 1):  # frames as small as these are not reduced
            expected = np.zeros(SIZE, bool)
            if first + t in {0, 1, 3, 6}:
                expected = cv2.dilate(found[first + t], np.ones((3, 3))) == 0
                assert expected[y0:y1, x0:x1].any()
            expected[:y0] = expected[y1:] = expected[:, :x0] = expected[:, x1:] = True
            assert np.array_equal(window[t], expected)


def test_what_moves_beside_the_person_is_the_background_in_training(clip, tmp_path):
    """But shadows; frames between close masks, or far from any, take theirs from these."""
    found = read_masks(clip.masks_file)
    people = np.zeros((4, *SIZE), np.uint8)
    people[:, 8:, :8] = people[2, 8:, :16] = 255
    known, is_drawn = np.array([0, 1, 3, 4], np.int32), np.zeros(4, bool)
    masks = replace(found, frame_index=known, masks=people, is_drawn=is_drawn)
    folder = tmp_path / "keypoints"
    write_masks(masks_beside(folder / "clip.parquet"), masks)
    background = np.full((*SIZE, 3), 100, np.uint8)
    frame = background.copy()
    frame[:, 2:6], frame[:, 11:14], frame[:, 20:22] = (200, 0, 50), (0, 200, 50), 60
    frames = folder / "frames.mkv"
    write_frames(frames, [frame] * 8, frame_rate=Fraction(16))
    quick = replace(clip.keypoints, frame_rate=Fraction(16))
    clip = replace(clip, keypoints=quick, frames=frames, keypoints_file=folder / "clip.parquet")
    dataset = small.windows_of([clip], viewport=VIEWPORT, background=background)
    starts = [dataset.windows.index((0, first)) for first in (0, 2, 5)]
    shown = dataset.batch(starts).whole.coarse.numpy()  # frames as small as these are not reduced
    for number, (window, t, right_of_mask) in enumerate([(0, 0, 9), (1, 0, 17), (2, 1, 17)]):
        expected = background.copy()
        expected[:, 20:22] = 60
        expected[7:, :right_of_mask] = frame[7:, :right_of_mask]
        assert np.array_equal(shown[window, t], expected), number
    as_filmed = small.windows_of([clip], viewport=VIEWPORT).batch(starts).whole.coarse.numpy()
    assert (as_filmed == frame).all()


@pytest.mark.parametrize("resolution", ["full", "half"])
def test_in_a_viewport_the_person_is_composited_on_that_part_of_the_background(clip, resolution):
    """With the same light added everywhere; behind the person the target has no shadow."""
    torch.manual_seed(0)
    plate = torch.rand(3, *SIZE)
    config = small.generator_config(viewport=VIEWPORT)
    if resolution == "half":
        plate = downsample_by_2(plate[None])[0]
        config = small.generator_config(viewport=VIEWPORT, size=tuple(plate.shape[1:]))
    generator = build_generator(config, background_image=plate).apply(initialize)
    with torch.no_grad():
        generator.network.head.bias.view(4, -1)[3] = -100.0  # a mask of zeros
        generator.network.head.weight.zero_()
        generator.shadows.head.weight.zero_()
        generator.shadows.head.bias.fill_(0.2)
    task = task_of(
        generator,
        small.MeanDiscriminator(),
        resolution=resolution,
        adversarial_weight=0.0,
        feature_matching_weight=0.0,
        l1_weight=1.0,
        foreground_l1_weight=1.0,
    )
    batch = small.windows_of([clip], viewport=VIEWPORT).batch(FIRST_FRAMES)
    losses = task.step(batch, step=0, learning_rate=0.0)
    expected = []
    for frames, (x, y) in zip(real_images(batch), batch.whole.corners, strict=True):
        real = frames if resolution == "full" else downsample_by_2(frames)
        scale = 1 if resolution == "full" else 2
        part = plate[:, y // scale :, x // scale :][:, : real.shape[2], : real.shape[3]]
        expected.append((part + 0.2 - real).abs().mean())
    torch.testing.assert_close(losses["generator/l1"], torch.stack(expected).mean())
    coarse = levels_to_images(batch.whole.coarse)
    scene = functional.interpolate(plate[None], size=coarse.shape[3:], mode="area")
    lacking, shadow = (scene + 0.2 - coarse).abs(), (scene - coarse).abs()
    weighted = torch.where(
        batch.whole.is_background[:, :, None], lacking * (1 + 8 * shadow), 0.1 * 0.2
    )
    torch.testing.assert_close(losses["generator/shadows"], 30 * weighted.mean())


@pytest.mark.parametrize("viewport", [None, VIEWPORT])
def test_a_window_has_the_puppet_of_its_frames_in_its_box(clip, viewport):
    keypoints, puppet = clip.keypoints, puppet_of(clip.keypoints, [0, 3, 7])
    dataset = small.windows_of([clip], viewport=viewport, puppet=puppet)
    batch = dataset.batch(FIRST_FRAMES)
    boxes = np.tile([0, 0, *reversed(SIZE)], (3, 1)) if viewport is None else boxes_of(clip)
    near = np.abs(np.arange(8)[:, None] - [0, 3, 7]) < 2  # two frames a second
    poses = puppet.follow(keypoints, excluded=near)
    for textures, first, box in zip(batch.textures, FIRST_FRAMES, boxes.tolist(), strict=True):
        expected = [poses.draw(first + t, box=tuple(box)) for t in (0, 1)]
        assert np.array_equal(textures, np.stack(expected))
        assert textures[..., 3].amax() == 255
    again = small.windows_of([clip], viewport=viewport, puppet=puppet).batch(FIRST_FRAMES[::-1])
    if viewport is None:  # whose boxes have the size of the largest in a batch
        assert torch.equal(again.textures, batch.textures.flip(0))


def test_a_puppet_is_not_made_of_frames_less_than_a_second_away(clip, tmp_path):
    """But of another clip's frames of the same number."""
    other = training_clip(tmp_path, dance(4, seed=5))
    appearance = small.target_of([clip, other], num_references=12).appearance
    assert appearance.frames.tolist() == [
        *([0, index] for index in (0, 1, 3, 4, 6, 7)),
        *([1, index] for index in range(4)),
    ]
    puppets = puppets_of_clips(Puppet(appearance), [clip, other])
    for number, (puppet, seconds_apart) in enumerate(zip(puppets, (2, 25), strict=True)):
        drawn = puppet.chosen >= 0
        assert drawn.any(axis=1).all()
        filmed = puppet.chosen % 10  # behind them come the mirrored ones
        clips, frames = appearance.frames[filmed].transpose(2, 0, 1)
        apart = np.abs(frames - np.arange(len(frames))[:, None])
        assert ((clips != number) | (apart >= seconds_apart))[drawn].all()
    assert (appearance.frames[puppets[0].chosen % 10][..., 0] == 0).any()


def left_out(clip, puppet, monkeypatch, share):
    """The parts left out of each frame of each window."""
    parts = []

    def recorded(self, index, *, box, without):
        parts.append(tuple(without))
        return np.zeros((box[3] - box[1], box[2] - box[0], 5), np.uint8)

    monkeypatch.setattr(PuppetClip, "draw", recorded)
    dataset = small.windows_of([clip], puppet=puppet, part_dropout=share)
    for index in range(len(dataset)):
        dataset.batch([index])
    return parts


def test_parts_are_left_out_of_whole_windows_in_that_share(clip, puppet, tmp_path, monkeypatch):
    assert not any(left_out(clip, puppet, monkeypatch, 0.0))
    long = training_clip(tmp_path, replace(dance(60), frame_rate=Fraction(2)))
    parts, again, more = (left_out(long, puppet, monkeypatch, share) for share in (0.3, 0.3, 0.6))
    assert parts[::2] == parts[1::2]
    assert len(set(parts)) > 30
    assert np.mean([len(of) for of in parts]) / len(puppet.parts) == pytest.approx(0.3, abs=0.05)
    assert again == parts
    assert all(set(of) <= set(now) for of, now in zip(parts, more, strict=True))


def test_what_is_in_the_viewport_teaches_no_shadows(clip):
    """Or clothes would be shadows, in poses that were never filmed."""
    batch = small.windows_of([clip], viewport=VIEWPORT).batch(FIRST_FRAMES)
    learnt = []
    for frames in (batch.frames, 255 - batch.frames):
        generator = build_generator(
            small.generator_config(viewport=VIEWPORT), background_image=torch.zeros(3, *SIZE)
        )
        torch.manual_seed(0)
        task = task_of(generator.apply(initialize), small.MeanDiscriminator())
        task.step(replace(batch, frames=frames), step=0, learning_rate=1e-3)
        learnt.append(torch.cat([each.flatten() for each in generator.shadows.parameters()]))
    assert torch.equal(*learnt)
