"""Render one transfer: `python -m stages render ada_as_ben`."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

from motiontransfer import layout
from motiontransfer.keypoints import Keypoints, read_keypoints, write_keypoints
from motiontransfer.models.layers import to_device
from motiontransfer.params import Transfer, load_section
from motiontransfer.progress import track
from motiontransfer.provenance.signing import (
    Content,
    TransferAssertion,
    check_credentials,
    load_credentials,
    sign_file,
    transfer_assertion,
)
from motiontransfer.rendering.faces import TranslatedFaces
from motiontransfer.rendering.renderer import (
    Renderer,
    RenderParams,
    load_renderer,
    render_poses,
    result_size,
)
from motiontransfer.rendering.videos import Panels, write_videos
from motiontransfer.retargeting.normalization import joint_differences, normalize_poses
from motiontransfer.retargeting.params import NormalizationParams
from motiontransfer.retargeting.statistics import PoseStatistics, read_statistics
from motiontransfer.storage import write_json
from motiontransfer.training.distributed import make_runtime
from motiontransfer.training.weights import read_face_translator
from motiontransfer.video.clip import Clip, read_clip
from motiontransfer.video.frame_store import check_decodable

_logger = logging.getLogger(__name__)

_CONTENT_OF_VIDEO: dict[str, Content] = {
    layout.TRANSFER_FILE: "trainedAlgorithmicMedia",
    layout.COMPARISON_FILE: "compositeWithTrainedAlgorithmicMedia",
}


def main(transfer: str) -> str:
    """Normalize the source's poses into the target's image, generate frames, write videos."""
    params = load_section(RenderParams, "render")
    params.check_choices()
    normalization = load_section(NormalizationParams, "normalization")
    names = load_section(Transfer, f"transfers.{transfer}")
    credentials = load_credentials() if params.provenance == "c2pa" else None
    if credentials:
        check_credentials(credentials)
    if names.truth_path:
        check_decodable(names.truth_path)
    source = read_clip(layout.clip_folder(names.source_subject, names.source))
    source_poses = read_keypoints(layout.keypoints_file(names.source_subject, names.source))
    target = read_statistics(layout.statistics_file(names.target))
    _log_joint_differences(names, source_poses, target)
    poses = normalize_poses(
        source_poses,
        mode=normalization.mode,
        centring=normalization.centring,
        source=read_statistics(layout.statistics_file(names.source_subject)),
        target=target,
    )
    renderer = _load_renderer(transfer, names, params, source=source, source_poses=source_poses)
    size = result_size(renderer, height=params.height)
    results = layout.results_folder(transfer)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        panels = Panels(
            source=source.frames, poses=poses, truth=names.truth_path, style=renderer.main.style
        )
        videos = Path(scratch) if credentials else results
        frames = render_poses(renderer, poses, size=size)
        write_videos(
            videos,
            track(frames, "render", total=poses.num_frames),
            panels,
            source,
            contact_sheet_file=results / "contact_sheet.png",
            num_columns=params.contact_sheet_columns,
            crf=params.crf,
            visible_label=params.visible_label,
        )
        if credentials:
            assertion = _assertion(transfer, names, params, renderer, source=source)
            for name, content in _CONTENT_OF_VIDEO.items():
                sign_file(results / name, videos / name, assertion, credentials, content=content)
    write_keypoints(layout.poses_file(transfer), poses)
    write_json(
        layout.metrics_file("render", transfer),
        {
            "frames": poses.num_frames,
            "frames_per_second": float(poses.frame_rate),
            "height": size[0],
            "width": size[1],
        },
    )
    videos_made = " and ".join(_CONTENT_OF_VIDEO)
    return f"{poses.num_frames} frames in {videos_made}, and contact_sheet.png, in {results}"


def _log_joint_differences(names: Transfer, source: Keypoints, target: PoseStatistics) -> None:
    left_out, lacking = joint_differences(source, target)
    if left_out or lacking:
        _logger.info(
            "%s (%s) and %s (%s) have other joints; left out of the source: %s; missing there: %s",
            names.source,
            source.detector,
            names.target,
            target.detector,
            _listed(source, left_out),
            _listed(source, lacking),
        )


def _listed(keypoints: Keypoints, joints: set[str]) -> str:
    """Joints by name, or their group where it is there as a whole; `none` for none."""
    listed = []
    for group, names in keypoints.skeleton.groups:
        found = [name for name in names if name in joints]
        listed += [group] if len(found) == len(names) else found
    return ", ".join(listed) or "none"


def _load_renderer(
    transfer: str, names: Transfer, params: RenderParams, *, source: Clip, source_poses: Keypoints
) -> Renderer:
    runtime = make_runtime(precision=params.precision)
    face = "none" if params.face == "cycle" else params.face
    renderer = load_renderer(layout.models_folder(names.target), runtime, face=face)
    if params.face == "cycle":
        translator, config = read_face_translator(
            layout.face_cycle_folder(transfer) / layout.FACE_CYCLE_FILE
        )
        faces = TranslatedFaces(
            runtime=runtime,
            translator=to_device(translator, runtime.device),
            crop_size=config.crop_size,
            frames=source.frames,
            keypoints=source_poses,
        )
        renderer = replace(renderer, face=faces)
    return replace(renderer, face_blending=params.face_blending)


def _assertion(
    transfer: str, names: Transfer, params: RenderParams, renderer: Renderer, *, source: Clip
) -> TransferAssertion:
    """Networks and source that the manifests name."""
    models = layout.models_folder(names.target)
    networks = {"generator": (models / layout.GENERATOR_FILE, renderer.main.config.architecture)}
    if renderer.face is not None:
        networks["face"] = (
            (layout.face_cycle_folder(transfer) / layout.FACE_CYCLE_FILE, "cycle")
            if params.face == "cycle"
            else (models / layout.FACE_GENERATOR_FILE, "residual")
        )
    keypoints = layout.keypoints_file(names.source_subject, names.source)
    return transfer_assertion(networks, {"frames": source.frames, "keypoints": keypoints})
