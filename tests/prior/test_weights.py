import torch

from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.pose.boxes import Viewport
from prior.weights import start_from_prior, write_prior
from tests.training.small import discriminator, generator_config


def trained(seed):
    """A generator with a viewport, and a discriminator."""
    torch.manual_seed(seed)
    config = generator_config(viewport=Viewport(margin_px=1.0, multiple_of=4))
    generator = build_generator(config, background_image=torch.zeros(3, *config.size))
    return generator.apply(initialize), discriminator().apply(initialize)


def test_both_networks_start_from_the_prior_and_shadows_do_not(tmp_path):
    file = tmp_path / "prior.safetensors"
    (generator, judge), (other, its_judge), (plain, _) = trained(1), trained(2), trained(2)
    ema, _ = trained(3)
    write_prior(file, generator, judge)
    start_from_prior([other, ema], its_judge, file)
    for own, start in ((generator.network, other.network), (judge, its_judge)):
        for name, weights in own.state_dict().items():
            assert torch.equal(start.state_dict()[name], weights.half().float())
    assert all(map(torch.equal, ema.network.parameters(), other.network.parameters()))
    assert all(map(torch.equal, other.shadows.parameters(), plain.shadows.parameters()))
