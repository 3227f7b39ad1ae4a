"""Write a transfer's report: `python -m stages report <transfer>`."""

from pathlib import Path

from pydantic import Field

from motiontransfer.errors import MissingFileError
from motiontransfer.keypoints import read_keypoints
from motiontransfer.params import Section, Transfer, load_params, load_section
from motiontransfer.report.report import TransferRun, write_transfer_report
from motiontransfer.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.training.weights import read_described

_ARTIFACTS = Path("artifacts")
PARAMS_OF_RESULTS = _ARTIFACTS / "params_of_results.json"
"""The sections that results depend on, as `check_params` found them."""


class ReportParams(Section):
    """Section `report`."""

    max_megabytes: float = Field(ge=1)
    """Approximate upper limit of the page's size, in millions of bytes."""


def main(transfer: str) -> str:
    """Write results/<transfer>/report.html."""
    params = load_section(ReportParams, "report")
    names = load_section(Transfer, f"transfers.{transfer}")
    weights = _ARTIFACTS / "models" / names.target / "generator.safetensors"
    clips = read_target_clips(names.target, read_described(weights, "held_out", HeldOut))
    results = Path("results") / transfer
    run = TransferRun(
        name=transfer,
        names=names,
        result=results / "transfer.mp4",
        source=_ARTIFACTS / "frames" / names.source_subject / names.source / "frames.mkv",
        poses=read_keypoints(_ARTIFACTS / "poses" / f"{transfer}.parquet"),
        clips=clips,
        measurements=_ARTIFACTS / "measurements/evaluate_transfer" / f"{transfer}.parquet",
        held_out_measurements=_ARTIFACTS / "measurements/evaluate" / f"{names.target}.parquet",
        training=_ARTIFACTS / "training" / names.target,
        stage_metrics=_stage_metrics(transfer, names),
        files=_files(results / "transfer.mp4", names, clips),
        params=_params(transfer, names),
    )
    write_transfer_report(results / "report.html", run, max_bytes=round(params.max_megabytes * 1e6))
    return f"open {results / 'report.html'} in a browser"


def _stage_metrics(transfer: str, names: Transfer) -> dict[str, Path]:
    """Metrics files of the upstream stages."""
    name_of = {
        **dict.fromkeys(("decode", "clean_keypoints"), names.source),
        **dict.fromkeys(("train_gan", "train_face_gan"), names.target),
        "render": transfer,
    }
    return {
        stage: _ARTIFACTS / "metrics" / stage / f"{name}.json" for stage, name in name_of.items()
    }


def _files(result: Path, names: Transfer, clips: list[TargetClip]) -> dict[str, Path]:
    """Role -> path of the result and of the files it depends on."""
    models = _ARTIFACTS / "models" / names.target
    keypoints = _ARTIFACTS / "keypoints" / names.source_subject / f"{names.source}.parquet"
    return {
        "result": result,
        "generator": models / "generator.safetensors",
        "face generator": models / "face_generator.safetensors",
        f"frames of {names.source}": _ARTIFACTS.joinpath(
            "frames", names.source_subject, names.source, "frames.mkv"
        ),
        f"keypoints of {names.source}": keypoints,
        **{f"frames of {clip.name}": clip.frames for clip in clips},
        **({"truth": names.truth_path} if names.truth_path else {}),
    }


def _params(transfer: str, names: Transfer) -> dict[str, object]:
    """Sections and entries of params.yaml that this transfer depends on."""
    if not PARAMS_OF_RESULTS.exists():
        raise MissingFileError(f"{PARAMS_OF_RESULTS}: no such file; `dvc repro` writes it")
    anything = dict[str, object]
    return {
        f"transfers.{transfer}": load_section(anything, f"transfers.{transfer}"),
        f"videos.{names.source}": load_section(anything, f"videos.{names.source}"),
        **load_params(PARAMS_OF_RESULTS),
    }
