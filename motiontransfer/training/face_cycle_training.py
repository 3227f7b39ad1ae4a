"""Training the face cycle of one transfer, from the clips of two people to a translator's weights.

Only the translator from the source's faces to the target's is kept: it is what rendering needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric

from motiontransfer.errors import TrainingError
from motiontransfer.nets.blocks import count_parameters, initialise
from motiontransfer.nets.face_translation import (
    FaceDiscriminators,
    FaceTranslatorConfig,
    FaceTranslators,
    Translations,
)
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.checkpoints import run_folder, run_key
from motiontransfer.training.depth import check_depth
from motiontransfer.training.device import arithmetic
from motiontransfer.training.face_cycle import FaceCycleSettings, FaceCycleTask
from motiontransfer.training.face_cycle_dataset import (
    AlignedFaces,
    FaceClip,
    FaceCycleBatch,
    FaceCycleDataset,
)
from motiontransfer.training.face_cycle_weights import write_face_translator
from motiontransfer.training.loop import fit
from motiontransfer.training.run_log import Picture, copy_logs
from motiontransfer.training.run_paths import RunPaths, log_results
from motiontransfer.training.samples import spread
from motiontransfer.training.schedule import Schedule
from motiontransfer.video.tensors import tensor_to_frames

_NUM_SAMPLES = 8
_SECTION = "train_face_cycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCycleNetworks:
    """Shapes of what is trained, for each of the two people."""

    translator: FaceTranslatorConfig
    discriminator_filters: int
    """Channels of a discriminator's first layer."""
    discriminator_layers: int
    """Layers of stride 2 in a discriminator."""


def train_face_cycle(
    source: Sequence[FaceClip],
    target: Sequence[FaceClip],
    fabric: Fabric,
    *,
    networks: FaceCycleNetworks,
    settings: FaceCycleSettings,
    schedule: Schedule,
    paths: RunPaths,
) -> dict[str, int | float]:
    """Train, write the weights of the translator to the target and the logs; return metrics.

    Raises:
        TrainingError: a network is too deep for its crops, or somebody's face is never seen.
    """
    torch.manual_seed(schedule.seed)
    crop_size = networks.translator.crop_size
    _check_depths(networks)
    inputs = [file for clip in (*source, *target) for file in (clip.frames, clip.keypoints_file)]
    used = [[clip.used for clip in clips] for clips in (source, target)]
    key = run_key(
        [networks, settings, schedule, used, *arithmetic(fabric)],
        [*inputs, *source_files(__name__)],
    )
    dataset = FaceCycleDataset(
        AlignedFaces(source, crop_size=crop_size, person="source subject"),
        AlignedFaces(target, crop_size=crop_size, person="target subject"),
    )
    translators = FaceTranslators(networks.translator)
    discriminators = FaceDiscriminators(
        num_filters=networks.discriminator_filters, num_layers=networks.discriminator_layers
    )
    task = FaceCycleTask(
        fabric,
        translators.apply(initialise),
        discriminators.apply(initialise),
        settings=settings,
        batch_size=schedule.batch_size,
        crop_size=crop_size,
        seed=schedule.seed,
    )
    shown = dataset.batch(spread(range(len(dataset)), count=_NUM_SAMPLES)).to(fabric.device)
    with run_folder(fabric, paths.checkpoints, key) as folder:
        throughput = fit(
            task,
            fabric=fabric,
            schedule=schedule,
            dataset=dataset,
            sample=lambda: _sample_grid(task, shown),
            folder=folder,
            description="train face cycle",
        )
        if fabric.is_global_zero:
            write_face_translator(paths.models, task.average.to_target, networks.translator)
            copy_logs(folder, paths.logs)
            log_results(throughput, paths)
    return {
        **throughput.metrics,
        **{"source_faces": len(dataset.source), "target_faces": len(dataset.target)},
        "source_frames_without_face": dataset.source.num_frames_without_face,
        "target_frames_without_face": dataset.target.num_frames_without_face,
        "face_translator_parameters": count_parameters(translators.to_target),
    }


def _check_depths(networks: FaceCycleNetworks) -> None:
    crop_size = networks.translator.crop_size
    stride = 2**networks.translator.num_downsamplings
    check_depth((crop_size, crop_size), stride=stride, section=_SECTION)
    # The last normalised layer is one patch smaller, and needs neighbours to normalise over.
    if crop_size // 2**networks.discriminator_layers < 3:
        raise TrainingError(
            f"{_SECTION}.discriminator_layers: faces of {crop_size}x{crop_size} pixels shrink to "
            f"{crop_size // 2**networks.discriminator_layers} patches a side; expected at least "
            "3; use fewer, or a larger crop_size"
        )


def _sample_grid(task: FaceCycleTask, batch: FaceCycleBatch) -> Picture:
    """One column a pair: source, as the target, back again; target, as the source, back again."""
    with torch.inference_mode():
        made: Translations = task.average(batch.source, batch.target)
    rows = (
        *(batch.source, made.to_target, made.back_to_source),
        *(batch.target, made.to_source, made.back_to_target),
    )
    return np.concatenate([np.concatenate(tensor_to_frames(row), axis=1) for row in rows])
