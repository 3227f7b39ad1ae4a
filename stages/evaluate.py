"""Evaluate a target's networks: `python -m stages evaluate <target>`.

Renders the held-out frames of the target from their own poses and compares them with the real ones.
It does so, too, by the puppet alone, and from references that are not near.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.parallel import end_workers
from motiontransfer.core.params import Compute, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.evaluation.measurements import OURS, write_measurements
from motiontransfer.evaluation.metrics import write_curves
from motiontransfer.evaluation.params import EvaluateParams
from motiontransfer.evaluation.protocols import Render, evaluate_reconstruction, open_lpips
from motiontransfer.evaluation.training_gain import LEAST_DISTANCES, UNTRAINED, training_gain
from motiontransfer.models.runtime import make_runtime
from motiontransfer.plate.target_clips import read_target_clips
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import puppet_frames, without_mask
from motiontransfer.rendering.frame import Renderer, render_poses, result_size
from motiontransfer.rendering.renderer import TrainedRenderer, load_renderer


def main(target: str) -> str:
    params = load_section(EvaluateParams, "evaluate")
    lpips = open_lpips(params.lpips_weights, param="evaluate.lpips_weights")
    renderer = load_renderer(
        layout.models_folder(target), make_runtime(precision=params.precision), face=params.face
    )
    clips = read_target_clips(target, renderer.main.held_out)
    folder = layout.evaluation_folder(target)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        found = evaluate_reconstruction(
            clips,
            partial(render_poses, renderer, size=_size(renderer)),
            others=_near_and_far(renderer, layout.appearance_file(target)),
            compute=load_section(Compute, "compute"),
            comparison=folder / "comparison.png",
            scratch=Path(scratch),
            lpips=lpips,
        )
        end_workers()  # which keep a film of the folder open
    write_curves(folder, found)
    write_json(layout.counts_file("network", target), training_gain(found))
    write_measurements(layout.measurements_file("evaluate", target), found)
    return f"figures in {folder}"


def _size(renderer: Renderer) -> tuple[int, int]:
    """Twice the working image's, as poses are detected in real frames, or the result's if less."""
    height = min(2 * renderer.networks.size[0], result_size(renderer, height=None)[0])
    return result_size(renderer, height=height)


def _near_and_far(renderer: TrainedRenderer, appearance: Path) -> dict[tuple[str, str], Render]:
    puppet = renderer.networks.puppet  # which has decoded patches
    puppet = puppet or Puppet(read_appearance(appearance), renderer.networks.size)
    renders: dict[tuple[str, str], Render] = {}
    for section, distance in LEAST_DISTANCES.items():
        renders[section, OURS] = partial(render_poses, renderer.beyond(distance))
        renders[section, UNTRAINED] = partial(_alone, puppet.beyond(distance))
    return renders


def _alone(puppet: Puppet, poses: Keypoints) -> Iterator[Frame]:
    return map(without_mask, puppet_frames(puppet, poses, size=poses.image_size))
