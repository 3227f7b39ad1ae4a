"""Train the face cycle of one transfer: `python -m stages train_face_cycle ada_as_ben`."""

from motiontransfer.core import layout
from motiontransfer.core.params import SplitParams, Transfer, load_section
from motiontransfer.models.faces import FaceTranslatorConfig
from motiontransfer.plate.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.training.face_cycle import train_face_cycle
from motiontransfer.training.params import TrainFaceCycleParams
from motiontransfer.training.paths import RunPaths
from motiontransfer.training.trainer import launch


def main(transfer: str) -> None:
    params = load_section(TrainFaceCycleParams, "train_face_cycle")
    paths = RunPaths.of_stage(
        "train_face_cycle",
        transfer,
        models=layout.face_cycle_file(transfer).parent,
        logs=layout.training_folder(transfer) / "face_cycle",
    )
    names = load_section(Transfer, f"transfers.{transfer}")
    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    launch(
        params,
        lambda run: train_face_cycle(
            # All faces of the dance will be translated, and no metric is computed on them.
            [TargetClip.whole(names.source_subject, names.source)],
            read_target_clips(names.target, held_out),  # as for the main generator
            run,
            translator=params.to_config(FaceTranslatorConfig),
            discriminator=params.discriminator(),
            config=params,
        ),
        paths=paths,
    )
