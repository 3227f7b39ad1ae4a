"""Render one transfer's frames: `python -m stages render ada_as_ben`."""

from collections.abc import Mapping
from dataclasses import replace

from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.progress import track
from motiontransfer.models.runtime import make_runtime
from motiontransfer.models.weights import read_face_translator
from motiontransfer.pose.keypoints import read_keypoints
from motiontransfer.rendering.frame import full_size, render_masked
from motiontransfer.rendering.rendered import (
    Rendered,
    RenderParams,
    transfer_assertion,
    write_rendered,
)
from motiontransfer.rendering.renderer import (
    TrainedRenderer,
    TranslatedFaces,
    load_renderer,
    to_runtime,
)


def main(transfer: str) -> str:
    params = load_section(RenderParams, "render")
    params.check_conflicts()
    names = load_section(Transfer, f"transfers.{transfer}")
    poses = read_keypoints(layout.poses_file(transfer))
    renderer = _load_renderer(transfer, names, params)
    puppet = renderer.networks.puppet
    clip = None if puppet is None else puppet.follow(poses)
    rendered = Rendered(
        style=renderer.main.style,
        full_size=full_size(renderer),
        assertion=_assertion(transfer, names, params, renderer),
        stand_ins={} if clip is None else clip.stand_ins(),
    )
    folder = layout.rendered_folder(transfer)
    frames = track(render_masked(renderer, poses, clip), "render", total=poses.num_frames)
    write_rendered(folder, frames, rendered, frame_rate=poses.frame_rate)
    return f"{poses.num_frames} frames in {folder}"


def _load_renderer(transfer: str, names: Transfer, params: RenderParams) -> TrainedRenderer:
    runtime = make_runtime(precision=params.precision)
    face = "none" if params.face == "cycle" else params.face
    renderer = load_renderer(layout.models_folder(names.target), runtime, face=face)
    if params.face == "cycle":
        translator, config = read_face_translator(
            layout.face_cycle_folder(transfer) / layout.FACE_CYCLE_FILE
        )
        faces = TranslatedFaces(
            runtime=runtime,
            translator=to_runtime(translator, runtime),
            crop_size=config.crop_size,
            frames=layout.frames_file(names.source_subject, names.source),
            keypoints=read_keypoints(layout.keypoints_file(names.source_subject, names.source)),
        )
        renderer = replace(renderer, face=faces)
    return replace(renderer, face_blending=params.face_blending)


def _assertion(
    transfer: str, names: Transfer, params: RenderParams, renderer: TrainedRenderer
) -> Mapping[str, object]:
    """Networks and source that the manifests name."""
    models = layout.models_folder(names.target)
    networks = {"generator": (models / layout.GENERATOR_FILE, renderer.main.config.architecture)}
    if renderer.face is not None:
        networks["face"] = (
            (layout.face_cycle_folder(transfer) / layout.FACE_CYCLE_FILE, "cycle")
            if params.face == "cycle"
            else (models / layout.FACE_GENERATOR_FILE, "residual")
        )
    source = {
        "frames": layout.frames_file(names.source_subject, names.source),
        "keypoints": layout.keypoints_file(names.source_subject, names.source),
    }
    return transfer_assertion(networks, source)
