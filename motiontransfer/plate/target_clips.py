"""A target's clips, each split into training frames and a held-out tail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from motiontransfer.core import layout
from motiontransfer.core.arrays import Affine, Frame, MaskedFrame
from motiontransfer.core.errors import KeypointsError, MissingFileError, TrainingError
from motiontransfer.core.tensor_files import read_described
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints, read_subject
from motiontransfer.pose.photos import films_or_photos, is_photo, placed, placement
from motiontransfer.video.geometry import resize


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Train/held-out split of a target's clips; stored with the weights, for the evaluation."""

    held_out_fraction: float
    gap_frames: int


NOTHING_HELD_OUT = HeldOut(held_out_fraction=0.0, gap_frames=0)


def held_out_by(generator: Path) -> HeldOut:
    """The split that a generator was trained with; nothing is held out where there is none."""
    if not generator.exists():
        return NOTHING_HELD_OUT
    return read_described(generator, "held_out", HeldOut)


def split_clip(num_frames: int, split: HeldOut) -> tuple[range, range]:
    """Return (training frames, held-out frames); the gap between them belongs to neither.

    Nothing is held out of a photo.
    """
    if num_frames == 1:
        return range(1), range(1, 1)
    num_held_out = round(num_frames * split.held_out_fraction)
    gap = split.gap_frames if num_held_out else 0
    num_training = num_frames - num_held_out - gap
    if num_training < 2:
        raise TrainingError(
            f"a clip of {num_frames} frames leaves {max(num_training, 0)} to train on after "
            f"holding out {num_held_out} and a gap of {gap}; expected at least 2. Use a longer "
            "clip, or lower split.held_out_fraction or split.gap_frames"
        )
    return range(num_training), range(num_frames - num_held_out, num_frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetClip:
    name: str
    """The video's name in films.yaml."""
    frames: Path
    """The clip's frame store."""
    keypoints: Keypoints
    keypoints_file: Path
    training: range
    held_out: range
    placement: Affine | None = None
    """Of a photo that is not the subject's first, whose image all share."""
    masks: Path | None = None
    """Where masks are of whom nothing is cut; None: beside the keypoints."""

    @classmethod
    def whole(cls, subject: str, video: str, *, masks: Path | None = None) -> "TargetClip":
        """Read a clip of which no frame is held out."""
        file = layout.keypoints_file(subject, video)
        keypoints = read_keypoints(file)
        return cls(
            name=video, frames=layout.frames_file(subject, video), keypoints=keypoints,
            keypoints_file=file, training=range(keypoints.num_frames), held_out=range(0),
            masks=masks,
        )  # fmt: skip

    @property
    def masks_file(self) -> Path:
        return self.masks or layout.masks_beside(self.keypoints_file)

    @property
    def is_photo(self) -> bool:
        return is_photo(self.keypoints)

    def framed(
        self, image: Frame | MaskedFrame, size: tuple[int, int]
    ) -> UInt8[np.ndarray, "_ _ channels"]:
        """A picture of the clip, of any size, as the image that the target's clips share."""
        if self.placement is None:
            return resize(image, size)
        (height, width), (rows, columns) = size, image.shape[:2]
        matrix = np.diag([width, height]) @ self.placement
        scale = np.diag(matrix[:, :2]) / (columns, rows)
        if scale.max() < 1:  # areas are averaged
            columns, rows = np.maximum((scale * (columns, rows)).round().astype(int), 1).tolist()
            image = resize(image, (rows, columns))
        matrix[:, :2] /= columns, rows
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # a pixel's center has whole numbers
        return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)

    @property
    def training_keypoints(self) -> Keypoints:
        return replace(self.keypoints.part(self.training), filled=None)


def input_files(clips: Iterable[TargetClip]) -> list[Path]:
    return [file for clip in clips for file in (clip.frames, clip.keypoints_file)]


def usable_frames(
    clips: Sequence[TargetClip], valid: Sequence[Bool[np.ndarray, " _"]]
) -> tuple[list[tuple[int, int]], int]:
    """(clip, frame_index) of each valid training frame, and the number of the other ones."""
    frames = [(c, t) for c, clip in enumerate(clips) for t in clip.training if valid[c][t]]
    return frames, sum(len(clip.training) for clip in clips) - len(frames)


def _likeness(keypoints: Keypoints) -> Keypoints:
    """Without joints in frames of unusual exposure, so that nothing is taken from these."""
    removed = np.zeros((keypoints.num_frames, 1), np.bool_)
    for start, stop in keypoints.unusual:
        removed[start:stop] = True
    return keypoints.without(removed) if keypoints.unusual else keypoints


def read_target_clips(subject: str, held_out: HeldOut, *, root: Path = Path()) -> list[TargetClip]:
    """Find a subject's clips, in the order of their names, and split each one.

    Photos of a subject count where there is no film.

    Raises:
        MissingFileError: the subject has no clips.
        KeypointsError: clips differ in size or in the joints they have.
        TrainingError: a clip is too short.
    """
    clips: list[TargetClip] = []
    folder = root / layout.keypoints_folder(subject)
    first: Keypoints | None = None
    for path, own in films_or_photos(read_subject(folder)).items():
        first = own if first is None else first
        where = placement(own, first) if is_photo(own) else None
        keypoints = _likeness(own if where is None else placed(own, first))
        try:
            training, tail = split_clip(keypoints.num_frames, held_out)
        except TrainingError as error:
            raise TrainingError(f"{path}: {error}") from error
        clips.append(
            TargetClip(
                name=path.stem,
                frames=root / layout.frames_file(subject, path.stem),
                keypoints=keypoints,
                keypoints_file=path,
                training=training,
                held_out=tail,
                placement=where,
            )
        )
    if not clips:
        raise MissingFileError(
            f"{folder}: expected keypoints of at least one clip, got none; name the "
            "target as the subject of a video in films.yaml"
        )
    if len({(clip.keypoints.image_size, clip.keypoints.skeleton) for clip in clips}) > 1:
        found = ", ".join(f"{clip.name} {clip.keypoints.image_size}" for clip in clips)
        raise KeypointsError(
            f"{folder}: expected clips of one size with the same joints, got {found}; "
            "decode and detect this subject's videos with the same settings"
        )
    return clips
