"""Render one transfer: `python -m stages render ada_as_ben`."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from motiontransfer.keypoints import read_keypoints, write_keypoints
from motiontransfer.media.clip import read_clip
from motiontransfer.params import Section, load_section
from motiontransfer.pose.pose_statistics import read_statistics
from motiontransfer.pose.reposing import Centring, Mode, ReposeSettings, repose
from motiontransfer.rendering.face_cycle import load_translated_faces
from motiontransfer.rendering.face_patches import FaceBlending
from motiontransfer.rendering.rollout import FaceMode, load_renderer
from motiontransfer.rendering.transfer import (
    Panels,
    check_truth,
    generate,
    write_comparison,
    write_contact_sheet,
    write_transfer,
)
from motiontransfer.storage import write_json
from motiontransfer.training.device import Precision, make_fabric
from motiontransfer.transfers import Transfer


class RenderParams(Section):
    """Section `render` of params.yaml, where each value is explained."""

    face: FaceMode | Literal["cycle"]
    face_blending: FaceBlending
    precision: Precision
    crf: int = Field(ge=0, le=51)
    contact_sheet_columns: int = Field(ge=1)


class NormalizationParams(Section):
    """Section `normalization` of params.yaml."""

    mode: Mode
    centring: Centring | None


def main(transfer: str) -> None:
    """Normalise the source's poses into the target's image, generate frames, write videos."""
    params = load_section(RenderParams, "render")
    normalization = load_section(NormalizationParams, "normalization").fill(ReposeSettings)
    names = load_section(Transfer, f"transfers.{transfer}")
    results, statistics = Path("results") / transfer, Path("artifacts/statistics")
    source = read_clip(Path("artifacts/frames") / names.source_subject / names.source)
    source_poses = read_keypoints(
        Path(f"artifacts/keypoints/{names.source_subject}/{names.source}.parquet")
    )
    poses = repose(
        source_poses,
        normalization,
        source=read_statistics(statistics / f"{names.source_subject}.json"),
        target=read_statistics(statistics / f"{names.target}.json"),
    )
    fabric, models = make_fabric(precision=params.precision), Path("artifacts/models")
    face = "none" if params.face == "cycle" else params.face
    renderer = load_renderer(models / names.target, fabric, face=face)
    if params.face == "cycle":
        faces = load_translated_faces(
            Path("artifacts/face_cycles") / transfer,
            fabric,
            frames=source.frames,
            keypoints=source_poses,
        )
        renderer = replace(renderer, face=faces)
    renderer = replace(renderer, face_blending=params.face_blending)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        panels = Panels(
            source=source.frames,
            poses=poses,
            generated=Path(scratch) / "generated.mkv",
            truth=names.truth_path,
            line_width_px=renderer.main.style.line_width_px,
        )
        check_truth(panels)
        write_keypoints(Path(f"artifacts/poses/{transfer}.parquet"), poses)
        generate(renderer, poses, panels.generated)
        write_transfer(results / "transfer.mp4", panels.generated, source, crf=params.crf)
        write_comparison(results / "comparison.mp4", panels, source, crf=params.crf)
        write_contact_sheet(
            results / "contact_sheet.png", panels, num_columns=params.contact_sheet_columns
        )
    write_json(
        Path(f"artifacts/metrics/render/{transfer}.json"),
        {"frames": poses.num_frames, "frames_per_second": float(poses.frame_rate)},
    )
