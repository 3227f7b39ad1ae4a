"""Render one transfer's frames: `python -m stages render ada_as_ben`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.progress import track
from motiontransfer.pose.drawing import display_style
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.rendered import (
    Rendered,
    RenderParams,
    transfer_assertion,
    write_rendered,
)

if TYPE_CHECKING:
    from motiontransfer.rendering.renderer import TrainedRenderer


def main(transfer: str) -> str:
    params = load_section(RenderParams, "render")
    params.check_conflicts()
    names = load_section(Transfer, f"transfers.{transfer}")
    poses = read_keypoints(layout.poses_file(transfer))
    folder = layout.rendered_folder(transfer)
    if not (layout.models_folder(names.target) / layout.GENERATOR_FILE).exists():
        write_rendered(folder, (), _untrained(names, poses), frame_rate=poses.frame_rate)
        return f"{names.target} is not trained: `encode` draws the puppet alone"
    from motiontransfer.rendering.frame import full_size, render_masked  # PyTorch takes seconds
    from motiontransfer.rendering.rollout import rooms

    renderer = _load_renderer(transfer, names, params)
    puppet = renderer.networks.puppet
    rendered = Rendered(
        style=renderer.main.style,
        full_size=full_size(renderer),
        assertion=_assertion(transfer, names, params, renderer),
        is_drawn=puppet is not None,
        stand_ins={} if puppet is None else puppet.follow(poses).stand_ins(),
    )
    frames = render_masked(renderer, poses) if puppet is None else rooms(renderer.networks, poses)
    frames = track(frames, "render", total=poses.num_frames)
    write_rendered(folder, frames, rendered, frame_rate=poses.frame_rate)
    return f"{poses.num_frames} frames in {folder}"


def _untrained(names: Transfer, poses: Keypoints) -> Rendered:
    """What is known of a clip that the puppet alone shows."""
    appearance = read_appearance(layout.appearance_file(names.target))
    return Rendered(
        style=display_style(poses.image_size[0]),
        full_size=appearance.background.shape[:2],
        is_drawn=True,
        assertion=transfer_assertion({}, _source(names)),
        stand_ins=Puppet(appearance, poses.image_size).follow(poses).stand_ins(),
    )


def _load_renderer(transfer: str, names: Transfer, params: RenderParams) -> "TrainedRenderer":
    from motiontransfer.models.runtime import make_runtime
    from motiontransfer.models.weights import read_face_translator
    from motiontransfer.rendering.renderer import TranslatedFaces, load_renderer, to_runtime

    runtime = make_runtime(precision=params.precision)
    cycle = _face_cycle(transfer, params)
    face = "none" if cycle or params.face == "none" else "residual"
    renderer = load_renderer(layout.models_folder(names.target), runtime, face=face)
    if cycle:
        translator, config = read_face_translator(cycle)
        faces = TranslatedFaces(
            runtime=runtime,
            translator=to_runtime(translator, runtime),
            crop_size=config.crop_size,
            frames=layout.frames_file(names.source_subject, names.source),
            keypoints=read_keypoints(layout.keypoints_file(names.source_subject, names.source)),
        )
        renderer = replace(renderer, face=faces)
    return replace(renderer, face_blending=params.face_blending)


def _face_cycle(transfer: str, params: RenderParams) -> Path | None:
    """Weights of the CycleGAN that translates a transfer's faces; None where none does."""
    file = layout.face_cycle_file(transfer)
    return file if params.face == "cycle" and file.exists() else None


def _assertion(
    transfer: str, names: Transfer, params: RenderParams, renderer: "TrainedRenderer"
) -> Mapping[str, object]:
    """Networks and source that the manifests name."""
    models = layout.models_folder(names.target)
    networks = {"generator": (models / layout.GENERATOR_FILE, renderer.main.config.architecture)}
    if renderer.face is not None:
        cycle = _face_cycle(transfer, params)
        residual = models / layout.FACE_GENERATOR_FILE
        networks["face"] = (cycle, "cycle") if cycle else (residual, "residual")
    return transfer_assertion(networks, _source(names))


def _source(names: Transfer) -> Mapping[str, Path]:
    return {
        "frames": layout.frames_file(names.source_subject, names.source),
        "keypoints": layout.keypoints_file(names.source_subject, names.source),
    }
