from collections import Counter

import pytest
import torch
from torch import nn

from motiontransfer.core.errors import TrainingError
from motiontransfer.models.faces import FaceDiscriminators, FaceTranslators, warp
from motiontransfer.pose.boxes import face_alignments
from motiontransfer.training import face_cycle
from motiontransfer.video.tensors import frames_to_tensor
from tests.films import training_clip
from tests.people import dance, picture
from tests.training.small import CROP_SIZE, MeanDiscriminator, cycle_config, faceless, runtime

NUM_STEPS = 60


def pool_of(*, pool_size, batch_size=1):
    sizes = {"pool_size": pool_size, "batch_size": batch_size, "crop_size": 1}
    return face_cycle.ImagePool(**sizes, seed=3, device=torch.device("cpu"))


def images(step, places):
    """Each says when and where it was made."""
    made = torch.tensor([step + place / 10 for place in places])
    return made[:, None, None, None].expand(-1, 3, 1, 1)


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
    assert run(pool_of(pool_size=0), range(1)) == [[step] for step in range(NUM_STEPS)]
    made = images(0, range(1)).clone().requires_grad_()
    assert not pool_of(pool_size=5).sample(made, range(1), step=0).requires_grad
    # no image is shown again twice, and none that was shown as the latest later on
    again = [shown[step] for step in earlier]
    assert len(set(again)) == len(again)
    assert all(shown[int(value)] != value for value in again if value >= 5)


def test_places_keep_to_themselves_and_can_be_shared():
    together = run(pool_of(pool_size=6, batch_size=3), range(3))
    assert all(round(it % 1, 4) == place / 10 for row in together for place, it in enumerate(row))
    pool = pool_of(pool_size=6, batch_size=3)
    for step, row in enumerate(together):
        for places in (range(1), range(1, 3)):
            part = pool.sample(images(step, places), places, step=step)[:, 0, 0, 0].tolist()
            assert part == row[places.start : places.stop]
        pool.keep(images(step, range(3)), step=step)


def aligned(clips):
    return face_cycle.AlignedFaces(clips, crop_size=CROP_SIZE, person="target subject")


def test_crops_show_the_aligned_faces(face_clips):
    crops = aligned(face_clips).crops([4, 1])
    for crop, (clip, index) in zip(crops, [(1, 1), (0, 2)], strict=True):
        keypoints = face_clips[clip].keypoints
        maps, _ = face_alignments(keypoints, crop_size=CROP_SIZE)
        frame = frames_to_tensor([picture(keypoints, index)])
        expected = warp(frame, maps[index : index + 1], size=(CROP_SIZE, CROP_SIZE))
        assert torch.equal(crop, expected[0])


@pytest.mark.parametrize("is_longer", [True, False])
def test_an_epoch_shows_the_longer_list_once_and_the_other_evenly(tmp_path, monkeypatch, is_longer):
    many = aligned([training_clip(tmp_path / "a", dance(7))])
    few = aligned([training_clip(tmp_path / "b", dance(3, seed=5))])
    dataset = face_cycle.FaceCycleDataset(*((many, few) if is_longer else (few, many)))
    seen = {id(many): Counter(), id(few): Counter()}
    whole = face_cycle.AlignedFaces.crops

    def crops(faces, indices):
        chosen = list(indices)
        seen[id(faces)].update(chosen)
        return whole(faces, chosen)

    monkeypatch.setattr(face_cycle.AlignedFaces, "crops", crops)
    batch = dataset.batch(range(len(dataset)))
    assert batch.source.shape == batch.target.shape == (7, 3, CROP_SIZE, CROP_SIZE)
    assert seen[id(many)] == Counter(range(7))
    assert sorted(seen[id(few)].values()) == [2, 2, 3]
    longer = batch.source if is_longer else batch.target
    assert torch.equal(longer, whole(many, range(7)))


def test_a_person_without_a_visible_face_is_named(tmp_path):
    clip = training_clip(tmp_path / "a", faceless(dance(4), slice(None)))
    with pytest.raises(TrainingError, match="target subject"):
        aligned([clip])


class Brighter(nn.Module):
    """The same amount brighter everywhere."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, faces):
        return faces + self.value


class Amounts(FaceTranslators):
    def __init__(self):
        nn.Module.__init__(self)
        self.to_target, self.to_source = Brighter(0.25), Brighter(-0.125)


class MeanDiscriminators(FaceDiscriminators):
    def __init__(self):
        nn.Module.__init__(self)
        self.of_source, self.of_target = MeanDiscriminator(), MeanDiscriminator()


def task_of(*networks, batch_size=2, **changes):
    how = {"batch_size": batch_size, "crop_size": CROP_SIZE, "seed": 7}
    return face_cycle.FaceCycleTask(runtime(), *networks, config=cycle_config(**changes), **how)


def batch_of(seed, count=2):
    draws = torch.Generator().manual_seed(seed)
    shape = (count, 3, CROP_SIZE, CROP_SIZE)
    source, target = (torch.rand(shape, generator=draws) * 0.5 - shift for shift in (0.5, 0))
    return face_cycle.FaceCycleBatch(source=source, target=target)


@pytest.mark.parametrize("identity_weight", [5.0, 0.0])
def test_losses_are_weighted_and_move_all_four_networks(identity_weight):
    batch, options = batch_of(0), {"cycle_weight": 3.0, "identity_weight": identity_weight}
    networks = Amounts(), MeanDiscriminators()
    numbers = [number for network in networks for number in network.parameters()]
    before = [number.item() for number in numbers]
    losses = task_of(*networks, **options).step(batch, step=0, learning_rate=0.125)
    real = {name: getattr(batch, name).mean((1, 2, 3)) for name in ("source", "target")}
    fake = {"source": real["target"] - 0.125, "target": real["source"] + 0.25}
    expected = {}
    for name, amount in (("source", 0.125), ("target", 0.25)):
        as_real, as_fake = (real[name] + 0.5 - 1).square(), (fake[name] + 0.5).square()
        expected |= {
            f"generator/adversarial_{name}": (fake[name] + 0.5 - 1).square().mean(),
            f"generator/cycle_{name}": 3 * 0.125,
            f"discriminator/adversarial_{name}": 0.5 * (as_real + as_fake).mean(),
        }
        if identity_weight:  # nor is it computed
            expected[f"generator/identity_{name}"] = 5 * amount
    got = {name: float(loss) for name, loss in losses.items()}
    assert got == pytest.approx({name: float(x) for name, x in expected.items()}, rel=1e-4)
    moved = [abs(new.item() - old) for new, old in zip(numbers, before, strict=True)]
    assert moved == pytest.approx([0.125] * 4, abs=1e-4)


def test_discriminators_see_real_faces_beside_translations_of_this_step_or_an_earlier_one():
    translators, discriminators = Amounts(), MeanDiscriminators()
    task = task_of(translators, discriminators, batch_size=1, pool_size=2)
    made = []
    for step in range(12):
        batch = batch_of(step, count=1)
        made.append(batch.source + 0.25)
        task.step(batch, step=step, learning_rate=0.0)
        # for the translators, then for the discriminators
        (fake,), (shown,) = discriminators.of_target.shown[-2:]
        assert torch.equal(fake, made[-1])
        assert torch.equal(shown[:1], batch.target)
        assert any(torch.equal(shown[1:], earlier) for earlier in made)
    shown = [images[1:] for (images,) in discriminators.of_target.shown[1::2]]
    latest = [torch.equal(a, b) for a, b in zip(shown, made, strict=True)]
    assert latest[:2] == [True, True]
    assert not all(latest)


def test_a_process_keeps_what_the_others_made(monkeypatch):
    """Only the first process writes checkpoints; it must know what all of them need."""
    monkeypatch.setattr(face_cycle, "gather_tensors", lambda _, own: torch.stack([own, own + 1]))
    task = task_of(Amounts(), MeanDiscriminators())
    batch = batch_of(0, count=1)
    task.step(batch, step=0, learning_rate=0.0)
    kept = task.state()["to_target_pool"][:, 0]
    assert torch.equal(kept, torch.cat([batch.source + 0.25, batch.source + 1.25]))
