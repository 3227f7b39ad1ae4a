"""A detector finds in people it has never seen what was planted in those it has, and only that."""

import pytest
import torch
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.forensics import training as task_module
from motiontransfer.forensics.corruptions import CONDITIONS
from motiontransfer.forensics.data import Seconds, seconds_of
from motiontransfer.forensics.evaluation import measures, try_detector
from motiontransfer.forensics.training import DetectorTask, train_detector
from motiontransfer.training.checkpoint import load_checkpoint
from tests.forensics.planted import CONFIG, SETTINGS, fabric, schedule, store, twins, walk


def train(people, held_out, folder, **changes):
    return train_detector(
        people,
        held_out,
        fabric(),
        config=CONFIG,
        settings=SETTINGS,
        schedule=schedule(**changes),
        folder=folder,
    )


def numbers(detector):
    return {name: tensor.clone() for name, tensor in detector.network.state_dict().items()}


def test_a_planted_artefact_is_found_in_somebody_new(detector, tmp_path):
    table = measures(detector, try_detector(detector, seconds_of(twins(tmp_path, "new", seed=99))))
    assert set(table) == set(CONDITIONS)
    for condition, row in table.items():
        assert row["auc"] >= 0.95, condition
    assert table["exact"]["accuracy"] >= 0.9


def test_where_it_was_not_planted_it_is_not_found(detector, tmp_path):
    """Two real people, one of them called fake: there is nothing to be told."""
    one, other = (seconds_of(twins(tmp_path, f"n{seed}", seed=seed)) for seed in (60, 61))
    table = measures(detector, try_detector(detector, Seconds(real=one.real, fake=other.real)))
    confusion = table["exact"]["confusion"]
    assert confusion["fake"]["judged_fake"] <= 0.1 * confusion["fake"]["judged_real"]


def test_in_which_order_seconds_are_tried_changes_nothing(detector, tmp_path):
    seconds = seconds_of(twins(tmp_path, "new", seed=70))
    turned = Seconds(real=seconds.real[::-1], fake=seconds.fake[::-1])
    assert [each.tolist() for each in try_detector(detector, seconds)["exact"].real] == [
        each.tolist() for each in try_detector(detector, turned)["exact"].real
    ][::-1]


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    people, held_out = twins(tmp_path, "a", seed=1), twins(tmp_path, "b", seed=2)
    whole, _ = train(people, held_out, tmp_path / "whole", num_steps=5)
    step, taken = DetectorTask.step, []

    def failing(self, parts, *, step, learning_rate, real=step):
        taken.append(step)
        if len(taken) == 4:
            raise RuntimeError("the machine went down")
        return real(self, parts, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(task_module.DetectorTask, "step", failing)
    with pytest.raises(RuntimeError, match="went down"):
        train(people, held_out, tmp_path / "stopped", num_steps=5)
    again, _ = train(people, held_out, tmp_path / "stopped", num_steps=5)
    assert taken == [0, 1, 2, 3, 2, 3, 4]
    assert again.calibration == whole.calibration
    for name, tensor in numbers(whole).items():
        assert torch.equal(tensor, numbers(again)[name]), name
    ends = [load_checkpoint(tmp_path / name).state for name in ("whole", "stopped")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_what_is_kept_is_the_average_and_the_pictures_show_both_kinds(tmp_path):
    people, held_out = twins(tmp_path, "a", seed=1), twins(tmp_path, "b", seed=2)
    detector, throughput = train(people, held_out, tmp_path / "run")
    state = load_checkpoint(tmp_path / "run").state
    assert throughput.steps == 4
    for name, tensor in numbers(detector).items():
        assert torch.equal(tensor, state[f"average.{name}"])
    last = "layers.0.weight"
    assert not torch.equal(state[f"average.{last}"], state[f"network.{last}"])
    with Image.open(tmp_path / "run/live/plots/images/step_000004.png") as picture:
        assert picture.size == (6 * 32, 2 * 32)  # three seconds, two pairs of each


def test_people_who_never_move_cannot_be_calibrated_on(tmp_path):
    people = twins(tmp_path, "a", seed=1)
    frozen = walk(1, seed=3).repeat(25, axis=0)
    for each in ("b_real", "b_fake"):
        store(tmp_path / f"{each}.mkv", frozen)
    still = [
        type(each)(
            real=type(each.real)(
                subject="b", clip="still", path=tmp_path / "b_real.mkv", frames=each.real.frames
            ),
            fake=type(each.fake)(
                subject="b", clip="still", path=tmp_path / "b_fake.mkv", frames=each.fake.frames
            ),
        )
        for each in people
    ]
    with pytest.raises(TrainingError, match="in which something moves; use longer clips"):
        train(people, still, tmp_path / "run", num_steps=1)
