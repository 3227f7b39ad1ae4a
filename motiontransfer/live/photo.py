"""Appearance and statistics of a person in photos, by what the pipeline's stages call."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from motiontransfer.body.completion import complete
from motiontransfer.body.fit import fit_body
from motiontransfer.core import layout
from motiontransfer.core.errors import KeypointsError, VideoError
from motiontransfer.core.params import Compute, load_section
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.masks import write_masks
from motiontransfer.plate.segmentation import clip_masks
from motiontransfer.plate.target_clips import NOTHING_HELD_OUT, read_target_clips
from motiontransfer.pose.detectors import default_detector, detect_keypoints
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.pose.mediapipe_detectors import person_boxes
from motiontransfer.pose.photos import lasting
from motiontransfer.pose.subject import choose_person
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.fit.fitting import fit_target
from motiontransfer.retargeting.params import FitNormalizationParams
from motiontransfer.retargeting.statistics import PoseStatistics, fit_statistics
from motiontransfer.video.clip import decode_video, read_clip
from motiontransfer.video.geometry import WorkingSize
from motiontransfer.video.isolation import run_isolated

_SUBJECT = "photo"


def person_in_photos(photos: Sequence[Path]) -> tuple[Appearance, PoseStatistics]:
    """Look at one person's photos, in a folder that is gone afterwards.

    Raises:
        VideoError: a photo cannot be read, or shows nobody.
    """
    with TemporaryDirectory(prefix="motiontransfer-") as folder:
        root = Path(folder)
        named = {f"{index:03}": photo for index, photo in enumerate(photos)}
        for name, photo in named.items():  # all before MediaPipe has threads, which no fork has
            _decode(photo, root / layout.clip_folder(_SUBJECT, name))
        clips = [_keypoints(root, name, photo) for name, photo in named.items()]
        still = lasting(dict(enumerate(clips)))
        params = load_section(FitNormalizationParams, "fit_normalization")
        statistics = fit_statistics([*still.values()], **params.model_dump())
        targets = read_target_clips(_SUBJECT, NOTHING_HELD_OUT, root=root)
        for target in targets:
            write_masks(target.masks_file, clip_masks(target))
        with FullSizeFrames(targets) as frames:
            return fit_target(frames, num_references=len(photos))[0], statistics


def _decode(photo: Path, folder: Path) -> None:
    size = load_section(WorkingSize, "decode.size")
    counts = run_isolated(decode_video, photo, folder, size=size, crop=person_boxes)
    if counts["frames"] != 1:
        raise VideoError(f"{photo}: expected a photo, got a film of {counts['frames']} frames")


def _keypoints(root: Path, name: str, photo: Path) -> Keypoints:
    folder = root / layout.clip_folder(_SUBJECT, name)
    detections = detect_keypoints(
        folder, default_detector(), video=photo, compute=Compute(num_workers=1)
    )
    try:
        tracks = choose_person(detections, "largest")
    except KeypointsError as error:
        raise KeypointsError(f"{photo}: {error}") from error
    found = detections.of_person(*tracks)
    motion = fit_body(found, detections.world_of_person(*tracks))
    found = complete(found, motion, read_clip(folder).framing.content)
    write_keypoints(root / layout.keypoints_file(_SUBJECT, name), found)
    return found
