"""Detect, segment and cut an actor as the main graph does a target: `python -m prior prepare 7`."""

from pathlib import Path

from motiontransfer import layout
from motiontransfer.keypoints import write_keypoints
from motiontransfer.params import Compute, load_section
from motiontransfer.pose.cleaning import clean
from motiontransfer.pose.detectors import HolisticConfig, detect_keypoints
from motiontransfer.pose.subject import choose_person
from motiontransfer.puppet.appearance import write_appearance
from motiontransfer.puppet.background import median_background
from motiontransfer.puppet.fitting import target_appearance
from motiontransfer.puppet.segmentation import clip_masks
from motiontransfer.puppet.silhouette import write_masks
from motiontransfer.target_clips import FullSizeFrames, HeldOut, read_target_clips
from motiontransfer.video.clip import decode_video
from prior.film import video_file
from stages.clean_keypoints import CleanKeypointsParams
from stages.decode import DecodeParams
from stages.fit_appearance import FitAppearanceParams

MAIN_PARAMS = Path("../params.yaml")
ALL_FRAMES = HeldOut(held_out_fraction=0.0, gap_frames=0)


def held_out_of(actor: int) -> HeldOut:
    """Nothing of an actor who is trained on; of the others, what the benchmark of people holds."""
    if actor < load_section(int, "train.actors"):
        return ALL_FRAMES
    num_frames = load_section(int, "film.frames")
    return HeldOut(held_out_fraction=0.25, gap_frames=round(0.15 * num_frames))


def main(actor: str) -> None:
    """Write frames, keypoints, masks and appearance."""
    video, folder = video_file(int(actor)), layout.clip_folder(actor, actor)
    size = load_section(DecodeParams, "decode", path=MAIN_PARAMS).size
    decode_video(video, folder, size=size, frame_rate=None, crop="none", on_damage="fail")
    found = detect_keypoints(
        folder,
        load_section(HolisticConfig, "detect_keypoints", path=MAIN_PARAMS),
        video=video,
        compute=load_section(Compute, "compute", path=MAIN_PARAMS),
    )
    cleaning = load_section(CleanKeypointsParams, "clean_keypoints", path=MAIN_PARAMS)
    of_person = found.of_person(*choose_person(found, "largest"))
    keypoints, _ = clean(of_person, **cleaning.model_dump())
    write_keypoints(layout.keypoints_file(actor, actor), keypoints)
    clips = read_target_clips(actor, held_out_of(int(actor)))
    for clip in clips:
        write_masks(clip.masks_file, clip_masks(clip))
    params = load_section(FitAppearanceParams, "fit_appearance", path=MAIN_PARAMS)
    with FullSizeFrames(clips) as frames:
        appearance = target_appearance(
            frames, median_background(frames), num_references=params.references
        )
    write_appearance(layout.appearance_file(actor), appearance)
