"""Write a transfer's report: `python -m stages report <transfer>`."""

from pathlib import Path

from pydantic import Field

from motiontransfer.core import layout
from motiontransfer.core.params import Section, Transfer, load_params, load_section
from motiontransfer.plate.target_clips import TargetClip, held_out_by, read_target_clips
from motiontransfer.rendering.scene import shown_poses
from motiontransfer.report.report import TransferRun, write_transfer_report


class ReportParams(Section):
    max_megabytes: float = Field(ge=1)
    """Size of the page, in millions of bytes, above which its videos are of lower quality."""


def main(transfer: str) -> str:
    params = load_section(ReportParams, "report")
    names = load_section(Transfer, f"transfers.{transfer}")
    models = layout.models_folder(names.target)
    clips = read_target_clips(names.target, held_out_by(models / layout.GENERATOR_FILE))
    results = layout.results_folder(transfer)
    run = TransferRun(
        name=transfer,
        names=names,
        poses=shown_poses(transfer),
        clips=clips,
        files=_files(results / layout.TRANSFER_FILE, names, clips),
        params=_params(transfer, names),
    )
    write_transfer_report(
        results / layout.REPORT_FILE, run, max_bytes=round(params.max_megabytes * 1e6)
    )
    return f"open {results / layout.REPORT_FILE} in a browser"


def _files(result: Path, names: Transfer, clips: list[TargetClip]) -> dict[str, Path]:
    """Role -> path of the result and of the files it depends on."""
    models = layout.models_folder(names.target)
    made_by = {
        "generator": models / layout.GENERATOR_FILE,
        "face generator": models / layout.FACE_GENERATOR_FILE,
    }
    if not made_by["generator"].exists():
        made_by = {"appearance": layout.appearance_file(names.target)}
    return {
        "result": result,
        **made_by,
        f"frames of {names.source}": layout.frames_file(names.source_subject, names.source),
        f"keypoints of {names.source}": layout.keypoints_file(names.source_subject, names.source),
        **{f"frames of {clip.name}": clip.frames for clip in clips},
        **({"truth": names.truth_path} if names.truth_path else {}),
    }


def _params(transfer: str, names: Transfer) -> dict[str, object]:
    """Sections and entries of params.yaml that this transfer depends on."""
    anything = dict[str, object]
    return {
        f"transfers.{transfer}": load_section(anything, f"transfers.{transfer}"),
        f"videos.{names.source}": load_section(anything, f"videos.{names.source}"),
        **load_params(layout.PARAMS_OF_RESULTS_FILE),
    }
