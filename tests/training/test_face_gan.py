from dataclasses import asdict, replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from motiontransfer.core.errors import TrainingError
from motiontransfer.core.tensor_files import read_description
from motiontransfer.models.faces import crop_boxes
from motiontransfer.models.generators import build_generator
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.training import face_gan
from motiontransfer.video.tensors import frames_to_tensor, levels_to_images, tensor_to_frames
from tests.films import training_clip
from tests.people import SIZE, dance, picture
from tests.training import small
from tests.training.trainings import main_of, train_face


class Residual(nn.Module):
    """The same residual everywhere; remembers what it was shown."""

    def __init__(self, value=0.25):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.shown = []

    def forward(self, pose_crop, face_crop):
        self.shown.append((pose_crop, face_crop))
        return self.value.expand_as(face_crop)


def dataset_of(clips, folder, *, seed):
    """Faces of a main generator that makes somebody a little off, with another jitter."""
    runs, _ = face_gan.face_runs(clips)
    paths = []
    for run in runs:
        poses = dance(clips[run.clip].keypoints.num_frames, seed=seed + run.clip)
        boxes = torch.from_numpy(face_boxes(clips[run.clip].keypoints)[0][run.with_face])
        made = frames_to_tensor([picture(poses, t) for t in run.with_face])
        paths.append(folder / f"{run.clip}_{run.frames.start}.npy")
        np.save(paths[-1], np.stack(tensor_to_frames(crop_boxes(made, boxes, crop_size=32))))
    return face_gan.FaceDataset(clips, runs, paths, crop_size=32)


@pytest.fixture
def batch(tmp_path):
    return dataset_of([training_clip(tmp_path, dance(3))], tmp_path, seed=4).batch([0, 2])


def task_of(generator, scored_by, *, perceptual=None, **changes):
    config, networks = small.face_gan_config(**changes), (generator, scored_by)
    return face_gan.FaceGanTask(small.posed_gan(networks, config, perceptual=perceptual))


def test_losses_of_pose_and_corrected_face_are_weighted_and_move_both_networks(batch):
    weights = {"adversarial_weight": 3.0, "feature_matching_weight": 5.0, "l1_weight": 7.0}
    generator, scored_by = Residual(), small.MeanDiscriminator()
    options = {"perceptual": small.Slices(2), "perceptual_weight": 10.0}
    task = task_of(generator, scored_by, **options, **weights)
    losses = task.step(batch, step=0, learning_rate=0.125)
    drawer = PoseDrawer(skeleton=HOLISTIC, style=small.STYLE)
    poses = drawer.draw_crops(batch.points, batch.score, batch.boxes, crop_size=32)
    fake = batch.generated + 0.25
    (shown_to_generator,), ((condition, images),) = generator.shown, scored_by.shown
    assert all(map(torch.equal, shown_to_generator, (poses, batch.generated)))
    assert torch.equal(condition, poses)
    assert torch.equal(images, torch.cat([batch.real, fake]))
    real_mean, fake_mean = batch.real.mean((1, 2, 3)), fake.mean((1, 2, 3))
    expected = {
        "generator/adversarial": 3 * (fake_mean + 0.5 - 1).square().mean(),
        "generator/feature_matching": 5 * 4 * (real_mean - fake_mean).abs().mean(),
        "generator/l1": 7 * (fake - batch.real).abs().mean(),
        # pix2pixHD's weights of the first two slices
        "generator/perceptual": 10 * (1 / 32 + 2 / 16) * (fake - batch.real).abs().mean(),
        "discriminator/adversarial": 0.5
        * ((real_mean + 0.5 - 1).square().mean() + (fake_mean + 0.5).square().mean()),
    }
    got = {name: loss.item() for name, loss in losses.items()}
    assert got == pytest.approx({name: x.item() for name, x in expected.items()}, rel=1e-4)
    assert abs(generator.value.item() - 0.25) == pytest.approx(0.125, abs=1e-4)
    assert abs(scored_by.number.item() - 0.5) == pytest.approx(0.125, abs=1e-4)


@pytest.mark.parametrize(("num_faces", "starts"), [(None, range(0, 48, 8)), (20, [0, 16, 32])])
def test_fewer_faces_are_of_runs_spread_evenly(tmp_path, num_faces, starts):
    clip = training_clip(tmp_path, dance(52, size=(48, 100)), training_frames=range(48))
    runs, num_without_face = face_gan.face_runs([clip], num_faces=num_faces)
    assert num_without_face == 0
    assert [run.frames for run in runs] == [range(start, start + 8) for start in starts]


def test_a_batch_shows_the_same_box_of_real_and_generated(face_clips, tmp_path):
    batch = dataset_of(face_clips, tmp_path, seed=8).batch([5, 1])
    for place, (clip, index) in enumerate([(1, 2), (0, 2)]):
        keypoints = face_clips[clip].keypoints
        box = face_boxes(keypoints)[0][index]
        assert batch.boxes[place].tolist() == box.tolist()
        assert np.array_equal(batch.points[place], keypoints.points[index])
        assert np.array_equal(batch.score[place], keypoints.score[index])
        made = picture(dance(keypoints.num_frames, seed=8 + clip), index)
        for name, frame in {"real": picture(keypoints, index), "generated": made}.items():
            crop = crop_boxes(frames_to_tensor([frame]), batch.boxes[place, None], crop_size=32)
            assert (getattr(batch, name)[place] - crop[0]).abs().max() < 1 / 127  # one level


def windows_of(clips):
    return face_gan.FaceWindowDataset(clips, conditioning_poses=1)


def test_clips_without_two_faces_in_a_row_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="face"):
        windows_of([training_clip(tmp_path, small.faceless(dance(4), slice(0, 4, 2)))])


MAIN = main_of(small.brighter())


def test_the_sample_shows_real_generated_and_corrected_faces(tmp_path, face_clips):
    train_face(face_clips, tmp_path, network=small.brighter(), steps=1)
    description = read_description(tmp_path / "models/face_generator.safetensors")
    assert description == {"face_generator": asdict(small.face_config())}
    with Image.open(tmp_path / "logs/images/step_000001.png") as image:
        shown = np.asarray(image)
    levels = [int(shown[32, 32 * i, 0]) for i in range(6)]
    # frames 0, 2, 3 and 0, 1, 2 of the clips, each brighter by a tenth than the one before
    assert levels == [140, 166, 178, 140, 153, 166]


def test_the_rollout_is_of_the_training_frames_and_made_once(tmp_path, face_clips, monkeypatch):
    rollouts = Mock(wraps=face_gan.generate_clip)
    monkeypatch.setattr(face_gan, "generate_clip", rollouts)
    small.stop_at_step(monkeypatch, face_gan.FaceGanTask, 3)
    with pytest.raises(RuntimeError, match="went down"):
        train_face(face_clips, tmp_path)
    train_face(face_clips, tmp_path)
    assert [call.args[1].num_frames for call in rollouts.call_args_list] == [4, 3]


def test_a_drawn_targets_faces_are_the_puppets_of_other_poses(tmp_path, clip, puppet):
    """Over the room."""
    config = small.generator_config(texture="puppet", viewport=small.VIEWPORT)
    network = build_generator(config, background_image=torch.zeros(3, *config.size))
    network.puppet = puppet
    run = face_gan.FaceRun(clip=0, frames=range(3, 8), with_face=[4, 7])
    main = replace(MAIN, network=network)
    (path,) = face_gan.generate_faces([clip], [run], main, small.runtime(), tmp_path, crop_size=32)
    poses = puppet.beyond(2.0).follow(clip.keypoints.part(range(3, 8)))
    for made, t in zip(np.load(path), run.with_face, strict=True):
        box = face_boxes(clip.keypoints)[0][t]
        drawn = poses.draw(t - 3, box=tuple(box.tolist()), size=(32, 32))
        *color, coverage = drawn.transpose(2, 0, 1)
        expected = np.stack(color, 2) + 128 * (1 - coverage[..., None] / 255)
        assert np.abs(made - expected).max() <= 1
        assert coverage.max() == 255


@pytest.fixture(scope="module")
def window_batch(tmp_path_factory):
    clip = training_clip(tmp_path_factory.mktemp("clip"), dance(4))
    return windows_of([clip]).batch([0, 2])


def window_task(*, previous_frame="corrected", full_frame=None):
    networks = Residual(0.1), small.MeanDiscriminator()
    gan = small.posed_gan(networks, small.face_gan_config())
    shape = small.face_config(previous_frame=previous_frame)
    shapes = replace(small.face_networks(), generator=shape, full_frame=full_frame)
    return face_gan.FaceWindowTask(gan, MAIN.network, shapes)


def test_windows_are_those_with_a_face_in_both_frames(face_clips):
    dataset = windows_of(face_clips)
    assert dataset.windows == [(0, 2), (1, 0), (1, 1)]
    batch = dataset.batch([2, 0])
    for place, (clip, first) in enumerate([(1, 1), (0, 2)]):
        boxes, _ = face_boxes(face_clips[clip].keypoints)
        assert np.array_equal(batch.face_boxes[place], boxes[first : first + 2])


@pytest.mark.parametrize(
    ("previous_frame", "inside", "gradient"), [("corrected", 0.4, 2), ("generated", 0.3, 1)]
)
def test_the_next_frame_follows_the_corrected_one(window_batch, previous_frame, inside, gradient):
    """The main generator adds 0.1, and the face generator 0.1 more inside the box."""
    task = window_task(previous_frame=previous_frame)
    corrected = task.correct(task.generator, window_batch).windows.corrected
    for (first, second), (box, _) in zip(corrected, window_batch.face_boxes, strict=True):
        x, y = ((box[:2] + box[2:]) // 2).tolist()  # in the box of both frames
        places = [it[0, y, x].item() for it in (first, second)]
        places += [it[0, -1, 0].item() for it in (first, second)]
        assert places == pytest.approx([0.2, inside, 0.1, 0.2])
        (slope,) = torch.autograd.grad(second[0, y, x], task.generator.value, retain_graph=True)
        assert slope.item() == pytest.approx(gradient)


def test_the_full_frames_losses_are_those_of_the_corrected_pair(window_batch):
    main = small.MeanDiscriminator().requires_grad_(False)
    config = small.face_gan_config(adversarial_weight=1.5, feature_matching_weight=2.5)
    full = face_gan.FullFrameLosses(discriminator=main, config=config, weight=2.0)
    task = window_task(full_frame=full)
    windows = task.correct(task.generator, window_batch).windows
    losses = task.step(window_batch, step=0, learning_rate=0.0)
    ((condition, images),) = main.shown
    real, fake = images.chunk(2)
    assert condition.shape == (2, 2 * small.STYLE.num_channels, *SIZE)
    assert torch.equal(real, levels_to_images(window_batch.frames).flatten(1, 2))
    assert torch.equal(fake, windows.corrected.flatten(1, 2))
    means = real.mean((1, 2, 3)), fake.mean((1, 2, 3))
    expected = {
        "adversarial": 3 * (means[1] + 0.5 - 1).square().mean(),
        "feature_matching": 5 * 4 * (means[0] - means[1]).abs().mean(),
    }
    got = {name: losses[f"generator/full_frame_{name}"].item() for name in expected}
    assert got == pytest.approx({name: loss.item() for name, loss in expected.items()}, rel=1e-4)
    without = window_task().step(window_batch, step=0, learning_rate=0.0)
    assert {name for name in losses if name not in without} == {
        f"generator/full_frame_{name}" for name in expected
    }
