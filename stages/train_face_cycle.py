"""Train the face cycle of one transfer: `python -m stages train_face_cycle ada_as_ben`."""

from motiontransfer.core import layout
from motiontransfer.core.params import SplitParams, Transfer, load_section
from motiontransfer.core.tensor_files import write_no_weights
from motiontransfer.pose.keypoints import read_keypoints
from motiontransfer.puppet.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.training.params import LoggingParams, TrainFaceCycleParams
from motiontransfer.training.paths import RunPaths


def main(transfer: str) -> str | None:
    params = load_section(TrainFaceCycleParams, "train_face_cycle")
    paths = RunPaths.of_stage(
        "train_face_cycle",
        transfer,
        models=layout.face_cycle_folder(transfer),
        logs=layout.training_folder(transfer) / "face_cycle",
    )
    names = load_section(Transfer, f"transfers.{transfer}")
    if params.steps == 0 or names.target not in load_section(list[str], "trained"):
        write_no_weights(paths.models / layout.FACE_CYCLE_FILE, "face_translator")
        paths.logs.mkdir(parents=True, exist_ok=True)
        paths.write_counts({"steps": 0})
        return "steps: 0, or a target who is not in `trained`: nothing is trained"
    from motiontransfer.models.faces import FaceTranslatorConfig  # PyTorch takes seconds
    from motiontransfer.training.face_cycle import train_face_cycle
    from motiontransfer.training.trainer import launch

    launch(
        params,
        lambda runtime: train_face_cycle(
            [_source(names)],
            _target(names),
            runtime,
            translator=params.to_config(FaceTranslatorConfig),
            discriminator=params.discriminator(),
            config=params,
            schedule=params.schedule(load_section(LoggingParams, "logging")),
            paths=paths,
        ),
        paths=paths,
    )
    return None


def _source(names: Transfer) -> TargetClip:
    """The whole clip: all its faces will be translated, and no metric is computed on them."""
    file = layout.keypoints_file(names.source_subject, names.source)
    keypoints = read_keypoints(file)
    return TargetClip(
        name=names.source,
        frames=layout.frames_file(names.source_subject, names.source),
        keypoints=keypoints,
        keypoints_file=file,
        training=range(keypoints.num_frames),
        held_out=range(0),
    )


def _target(names: Transfer) -> list[TargetClip]:
    """All clips, split as for the main generator."""
    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    return read_target_clips(names.target, held_out)
