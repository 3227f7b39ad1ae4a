"""The face cycle's step: there and back, judged, each face as itself."""

import pytest
import torch
from torch import nn

from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.models.faces import FaceDiscriminators, FaceTranslators
from motiontransfer.models.layers import initialise
from motiontransfer.training.data import RankBatch
from motiontransfer.training.face_cycle import FaceCycleBatch, FaceCycleTask
from tests.training.small import fabric
from tests.training.small_cycle import CROP_SIZE, cycle_settings, translator_config


class Brighter(nn.Module):
    """The same amount brighter everywhere."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, faces):
        return faces + self.value


class Judge(nn.Module):
    """Judges a picture by its mean and a number of its own; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(0.5))
        self.shown = []

    def forward(self, faces):
        self.shown.append(faces.detach())
        return [
            DiscriminatorOutput(
                logits=faces.mean((1, 2, 3), keepdim=True) + self.number, features=()
            )
        ]


class Amounts(FaceTranslators):
    """Translators that are a number each."""

    def __init__(self):
        nn.Module.__init__(self)
        self.to_target, self.to_source = Brighter(0.25), Brighter(-0.125)


class Judges(FaceDiscriminators):
    """Judges that are a number each."""

    def __init__(self):
        nn.Module.__init__(self)
        self.of_source, self.of_target = Judge(), Judge()


def small_translators():
    return FaceTranslators(translator_config(num_filters=8)).apply(initialise)


def small_judges():
    return FaceDiscriminators(num_filters=4, num_layers=1).apply(initialise)


def task_of(translators, judges, *, batch_size=2, on=None, **changes):
    return FaceCycleTask(
        on or fabric(),
        translators,
        judges,
        settings=cycle_settings(**changes),
        batch_size=batch_size,
        crop_size=CROP_SIZE,
        seed=7,
    )


def batch_of(seed, count=2):
    draws = torch.Generator().manual_seed(seed)
    shape = (count, 3, CROP_SIZE, CROP_SIZE)
    source, target = (torch.rand(shape, generator=draws) * 0.5 - shift for shift in (0.5, 0))
    return FaceCycleBatch(source=source, target=target)


def whole(batch):
    return RankBatch(batch=batch, indices=range(len(batch.source)))


def test_losses_are_what_their_weights_make_of_them():
    batch = batch_of(0)
    task = task_of(Amounts(), Judges(), cycle_weight=3.0, identity_weight=5.0)
    losses = task.step(whole(batch), step=0, learning_rate=0.0)
    source, target = batch.source.mean((1, 2, 3)), batch.target.mean((1, 2, 3))
    as_target, as_source = source + 0.25, target - 0.125
    expected = {
        "generator/adversarial_source": (as_source + 0.5 - 1).square().mean(),
        "generator/adversarial_target": (as_target + 0.5 - 1).square().mean(),
        "generator/cycle_source": 3 * 0.125,
        "generator/cycle_target": 3 * 0.125,
        "generator/identity_source": 5 * 0.125,
        "generator/identity_target": 5 * 0.25,
        "discriminator/adversarial_source": 0.5
        * ((source + 0.5 - 1).square() + (as_source + 0.5).square()).mean(),
        "discriminator/adversarial_target": 0.5
        * ((target + 0.5 - 1).square() + (as_target + 0.5).square()).mean(),
    }
    got = {name: float(loss) for name, loss in losses.items()}
    assert got == pytest.approx({name: float(x) for name, x in expected.items()}, rel=1e-4)


def test_identity_is_not_computed_where_it_does_not_count():
    losses = task_of(Amounts(), Judges(), identity_weight=0.0).step(
        whole(batch_of(0)), step=0, learning_rate=0.0
    )
    assert not [name for name in losses if "identity" in name]


def test_all_four_are_trained_at_the_learning_rate():
    translators, judges = Amounts(), Judges()
    task_of(translators, judges).step(whole(batch_of(0)), step=0, learning_rate=0.125)
    for number, before in (
        (translators.to_target.value, 0.25),
        (translators.to_source.value, -0.125),
        (judges.of_source.number, 0.5),
        (judges.of_target.number, 0.5),
    ):
        assert abs(number.item() - before) == pytest.approx(0.125, abs=1e-4)


def test_judges_see_real_faces_beside_translations_of_this_step_or_an_earlier_one():
    translators, judges = Amounts(), Judges()
    task = task_of(translators, judges, batch_size=1, pool_size=2)
    made = []
    for step in range(12):
        batch = batch_of(step, count=1)
        made.append(batch.source + 0.25)
        task.step(whole(batch), step=step, learning_rate=0.0)
        fake, shown = judges.of_target.shown[-2:]  # for the translators, then for the judges
        assert torch.equal(fake, made[-1])
        assert torch.equal(shown[:1], batch.target)
        assert any(torch.equal(shown[1:], earlier) for earlier in made)
    shown = [images[1:] for images in judges.of_target.shown[1::2]]
    latest = [torch.equal(a, b) for a, b in zip(shown, made, strict=True)]
    assert latest[:2] == [True, True]
    assert not all(latest)


def test_a_state_comes_back_with_what_was_kept():
    torch.manual_seed(0)
    task, other = (task_of(small_translators(), small_judges()) for _ in range(2))
    for step in range(3):
        task.step(whole(batch_of(step)), step=step, learning_rate=0.01)
    other.load_state({name: tensor.clone() for name, tensor in task.state().items()})
    for step in range(3, 7):
        for each in (task, other):
            each.step(whole(batch_of(step)), step=step, learning_rate=0.01)
    assert all(torch.equal(x, other.state()[name]) for name, x in task.state().items())


def test_a_process_keeps_what_the_others_made(monkeypatch):
    """Only the first process writes checkpoints; it must know what all of them need."""
    two = fabric()
    monkeypatch.setattr(two, "all_gather", lambda own: torch.stack([own, own + 1]))
    task = task_of(Amounts(), Judges(), on=two)
    batch = batch_of(0, count=1)
    task.step(whole(batch), step=0, learning_rate=0.0)
    kept = task.state()["to_target_pool.images"][:, 0]
    assert torch.equal(kept, torch.cat([batch.source + 0.25, batch.source + 1.25]))


@pytest.mark.slow
def test_two_pairs_of_faces_go_there_and_back():
    """The cycle's L1 falls to a third of what it was."""
    torch.manual_seed(0)
    task, batch = task_of(small_translators(), small_judges()), batch_of(1)
    batch = FaceCycleBatch(
        source=nn.functional.avg_pool2d(batch.source, 8)
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3),
        target=nn.functional.avg_pool2d(batch.target, 8)
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3),
    )
    losses = [task.step(whole(batch), step=step, learning_rate=2e-3) for step in range(100)]
    for name in ("generator/cycle_source", "generator/cycle_target"):
        last = torch.stack([each[name] for each in losses[-10:]]).mean()  # one step is chance
        assert last < losses[0][name] / 3, name
