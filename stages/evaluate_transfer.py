"""Evaluate a finished transfer: `python -m stages evaluate_transfer <transfer>`."""

from motiontransfer.core import layout
from motiontransfer.core.params import Compute, Transfer, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.evaluation.measurements import (
    OURS,
    Measurements,
    MetricKey,
    read_measurements,
    write_measurements,
)
from motiontransfer.evaluation.metrics import headline, write_curves
from motiontransfer.evaluation.params import EvaluateTransferParams
from motiontransfer.evaluation.protocols import evaluate_transfer, open_lpips
from motiontransfer.filming.key_poses import find_key_poses
from motiontransfer.plate.target_clips import held_out_by, read_target_clips
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.rendering.scene import is_in_film, shown_poses
from motiontransfer.video.frame_store import check_decodable


def main(transfer: str) -> str:
    params = load_section(EvaluateTransferParams, "evaluate_transfer")
    lpips = open_lpips(params.lpips_weights, param="evaluate_transfer.lpips_weights")
    names = load_section(Transfer, f"transfers.{transfer}")
    if names.truth_path:
        check_decodable(names.truth_path)
    weights = layout.models_folder(names.target) / layout.GENERATOR_FILE
    clips = read_target_clips(names.target, held_out_by(weights))
    held_out = Measurements(summary=())
    if weights.exists():
        held_out = read_measurements(layout.measurements_file("evaluate", names.target))
    found = evaluate_transfer(
        layout.results_folder(transfer) / layout.TRANSFER_FILE,
        shown_poses(transfer),
        clips,
        source=layout.frames_file(names.source_subject, names.source),
        truth=names.truth_path,
        compute=load_section(Compute, "compute"),
        lpips=lpips,
        has_baseline=not is_in_film(transfer),
    )
    dance = read_keypoints(layout.keypoints_file(names.source_subject, names.source))
    covered = find_key_poses(dance, [clip.training_keypoints for clip in clips], num_poses=0)
    shares = {"all": covered.coverage[0], **covered.of_regions}
    found += Measurements.from_values(
        {MetricKey("coverage", name, OURS, "film"): (share, None) for name, share in shares.items()}
    )
    write_curves(layout.transfer_evaluation_folder(transfer), found)
    write_measurements(layout.measurements_file("evaluate_transfer", transfer), found)
    metrics = layout.results_folder(transfer) / layout.METRICS_FILE
    write_json(metrics, headline(held_out, found))
    return str(metrics)
