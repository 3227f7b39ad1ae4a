"""Evaluate a target's networks: `python -m stages evaluate <target>`.

Renders the held-out frames of the target from their own poses and compares them with the real ones.
"""

import tempfile
from functools import partial
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.parallel import end_workers
from motiontransfer.core.params import Compute, load_section
from motiontransfer.evaluation.measurements import write_curves, write_measurements
from motiontransfer.evaluation.network_metrics import open_networks
from motiontransfer.evaluation.params import EvaluateParams
from motiontransfer.evaluation.protocols import evaluate_reconstruction
from motiontransfer.models.runtime import make_runtime
from motiontransfer.puppet.target_clips import read_target_clips
from motiontransfer.rendering.frame import Renderer, render_poses, result_size
from motiontransfer.rendering.renderer import load_renderer


def main(target: str) -> str:
    params = load_section(EvaluateParams, "evaluate")
    networks = open_networks(params, option="evaluate.{}_weights")
    renderer = load_renderer(
        layout.models_folder(target), make_runtime(precision=params.precision), face=params.face
    )
    clips = read_target_clips(target, renderer.main.held_out)
    folder = layout.evaluation_folder(target)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        found = evaluate_reconstruction(
            clips,
            partial(render_poses, renderer, size=_size(renderer)),
            compute=load_section(Compute, "compute"),
            comparison=folder / "comparison.png",
            scratch=Path(scratch),
            networks=networks,
        )
        end_workers()  # which keep a film of the folder open
    write_curves(folder, found)
    write_measurements(layout.measurements_file("evaluate", target), found)
    return f"figures in {folder}"


def _size(renderer: Renderer) -> tuple[int, int]:
    """Twice the working image's, as poses are detected in real frames, or the result's if less."""
    height = min(2 * renderer.networks.size[0], result_size(renderer, height=None)[0])
    return result_size(renderer, height=height)
