import numpy as np
import pytest
import torch

from motiontransfer.core.errors import TrainingError
from motiontransfer.core.tensor_files import read_description
from motiontransfer.forensics import model
from motiontransfer.forensics.model import score_frames
from motiontransfer.video.tensors import frames_to_tensor
from tests.forensics.planted import CONFIG, walk


def network():
    torch.manual_seed(0)
    return model.FramePairDetector(CONFIG).apply(model.initialize_detector).eval()


def frame_pairs(num_frames=4, **changes):
    tensor = frames_to_tensor(list(walk(num_frames, seed=1, **changes)))
    return torch.stack([tensor[:-1], tensor[1:]], dim=1)


def test_every_weight_gets_a_gradient_and_any_size_a_logit():
    detector = network()
    detector(frame_pairs()).sum().backward()
    assert detector(frame_pairs(size=(33, 47))).shape == (3,)
    assert all(parameter.grad.abs().sum() > 0 for parameter in detector.parameters())


def test_brightness_has_no_effect():
    detector, batch = network(), frame_pairs() * 0.5
    torch.testing.assert_close(detector(batch), detector(batch + 0.3), rtol=1e-3, atol=1e-3)


def test_regions_without_motion_have_no_effect():
    detector, batch = network(), frame_pairs()
    batch[..., :16] = batch[:1, :1, ..., :16]  # still now
    other = batch.clone()
    other[..., :8] = torch.rand(3, 64, 8) * 2 - 1  # still, too, but something else
    with torch.inference_mode():
        scores, others = detector(batch), detector(other)
    torch.testing.assert_close(scores, others, rtol=0, atol=0.01 * float(scores.abs().max()))


def test_motion_is_where_frames_differ_by_more_than_noise():
    batch = torch.zeros(1, 2, 3, 32, 32)
    batch[0, 1, :, 8:16, 16:24] = 0.5
    cells = model.motion_map(batch, (4, 4))
    assert cells.nonzero().tolist() == [[0, 1, 2]]
    assert cells[0, 1, 2] == pytest.approx(0.5 - 2 / 127.5)
    noise = 2 / 127.5 * (torch.rand(1, 2, 3, 32, 32) - 0.5)
    assert model.has_motion(torch.cat([noise, batch])).tolist() == [False, True]


def test_separated_seconds_reach_platts_targets():
    for count in (1, 3, 20):
        fitted = model.fit_calibration(np.full(4, -2.0), np.full(4, 6.0), num_seconds=count)
        low, middle, high = fitted.probability(np.array([-2.0, 2.0, 6.0]))
        assert (low, middle) == (pytest.approx(1 / (count + 2), abs=1e-3), pytest.approx(0.5))
        assert high == pytest.approx((count + 1) / (count + 2), abs=1e-3)


@pytest.mark.parametrize(
    ("center", "half", "num_fake"), [(0, 1, 20_000), (3, 2, 20_000), (0, 1, 2_000)]
)
def test_the_odds_of_the_distributions_are_found(center, half, num_fake):
    # log odds of N(1, 1) against N(-1, 1) are 2x; of N(5, 1) against N(1, 1) 4x - 12
    rng = np.random.default_rng(0)
    real, fake = rng.normal(center - half, 1, 20_000), rng.normal(center + half, 1, num_fake)
    fitted = model.fit_calibration(real, fake, num_seconds=num_fake)
    assert fitted.slope == pytest.approx(2 * half, rel=0.1)
    assert fitted.threshold == pytest.approx(center, abs=0.1)


def test_one_kind_alone_is_refused():
    with pytest.raises(TrainingError, match=r"train_forensics\.held_out_fraction"):
        model.fit_calibration(np.zeros(0), np.ones(1), num_seconds=1)


def test_a_detector_on_disk_gives_the_same_scores_and_bytes(detector, weights, tmp_path):
    read = model.read_detector(weights)
    assert (read.config, read.calibration) == (detector.config, detector.calibration)
    assert read.max_height == detector.max_height == 64
    frames = walk(9, seed=7)
    one, other = (score_frames(each.network, frames, max_height=64) for each in (detector, read))
    assert one.tolist() == other.tolist()
    assert read_description(weights)["trained_on"] == {"subjects": ["drawn"]}
    model.write_detector(tmp_path / "again.safetensors", read, trained_on={"subjects": ["drawn"]})
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()
