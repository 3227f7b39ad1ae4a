"""Subject choice and keypoint cleaning: `python -m stages clean_keypoints demo_dance`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from motiontransfer.body.completion import complete
from motiontransfer.body.fit import fit_body
from motiontransfer.body.motion import BodyMotion, write_motion
from motiontransfer.body.repair import repair, with_guesses
from motiontransfer.core import layout
from motiontransfer.core.errors import KeypointsError
from motiontransfer.core.params import Idle, Name, PersonAt, Section, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.filming.photo_advice import photo_advice
from motiontransfer.filming.quality import (
    camera_speed,
    degrees_to_turn,
    measure_quality,
    pairs_of_clip,
    quality_metrics,
    unusually_exposed,
    verdict,
)
from motiontransfer.pose.cleaning import Filling, fill
from motiontransfer.pose.keypoints import Detections
from motiontransfer.pose.keypoints_file import read_detections, write_keypoints
from motiontransfer.pose.photos import is_photo
from motiontransfer.pose.subject import (
    PersonRule,
    choice_metrics,
    choose_person,
    track_at,
    with_re_entries,
)
from motiontransfer.pose.time_series import TimeFilter, segments
from motiontransfer.video.clip import Clip, read_clip
from motiontransfer.video.frame_store import FrameStore


class CleanEntry(Section):
    """The keys of an entry of `videos` that are read here."""

    subject: Name
    person: PersonRule | PersonAt = "largest"


class CleanKeypointsParams(Section):
    repair: Literal["body", "gaps"]
    longest_gap_seconds: float = Field(ge=0, le=60)
    smoothing: TimeFilter
    smoothing_seconds: float = Field(ge=0, le=60)

    def idle(self) -> Iterator[Idle]:
        if self.smoothing == "none":
            yield Idle("smoothing_seconds", "smoothing is none")


def main(key: str) -> str:
    # Matplotlib: not where params are checked.
    from motiontransfer.filming.quality_plot import plot_quality

    params = load_section(CleanKeypointsParams, "clean_keypoints")
    file = layout.video_params_file(key, "clean_keypoints")
    video = load_section(CleanEntry, f"videos.{key}", path=file)
    clip = read_clip(layout.clip_folder(video.subject, key))
    path = layout.detections_file(video.subject, key)
    detections = read_detections(path)
    if detections.num_frames != clip.num_frames:
        raise KeypointsError(
            f"{path}: expected {clip.num_frames} frames, as {clip.frames} has, got "
            f"{detections.num_frames}; `dvc repro` detects them again"
        )
    try:
        rule = _rule(video.person, detections, clip)
        tracks = choose_person(detections, rule)
    except KeypointsError as error:
        raise KeypointsError(f"{path}: videos.{key}: {error}") from error
    detected = detections.of_person(*tracks)
    motion = BodyMotion.unfitted(clip.num_frames)
    filling = params.to_config(Filling)
    if params.repair == "body":
        motion = fit_body(detected, detections.world_of_person(*tracks))
    if motion.fits.any() and not is_photo(detected):  # a photo alone says nothing against a joint
        keypoints, repairs = repair(detected, motion, filling)
    else:
        keypoints, repairs = fill(detected, filling)
    others = detections.frame_index[~np.isin(detections.person, tracks)]
    choice = choice_metrics(detections, tracks, rule=rule)
    switches = choice["possible_switches"]
    assert isinstance(switches, int)
    plot = layout.quality_plot(video.subject, key)
    with FrameStore(clip.frames) as store:
        unusual = unusually_exposed(store)
        keypoints = replace(keypoints, unusual=tuple(segments(unusual)))
        quality = measure_quality(
            keypoints,
            repairs,
            content=clip.framing.content,
            with_others=np.bincount(others, minlength=keypoints.num_frames) > 0,
            possible_switches=switches,
            camera_speed=camera_speed(pairs_of_clip(store, keypoints)),
            turn=degrees_to_turn(keypoints, store[0]),
        )
        people = int((detections.frame_index == 0).sum())
        sentences = verdict(quality)
        if is_photo(keypoints):
            sentences = photo_advice(keypoints, num_people=people, turn=quality.turn)
        plot_quality(plot, store, keypoints, quality, sentences=sentences, title=key)
    keypoints = with_guesses(complete(keypoints, motion, clip.framing.content), motion)
    if motion.fits.any():
        keypoints = replace(keypoints, depth=motion.depth())
    write_keypoints(layout.keypoints_file(video.subject, key), keypoints)
    write_motion(layout.motion_file(video.subject, key), motion)
    write_json(
        layout.counts_file("clean_keypoints", key),
        {
            **choice,
            **repairs.counts(),
            **quality_metrics(quality),
            "frames_unusually_exposed": int(unusual.sum()),
            "verdict": sentences,
        },
    )
    return f"{plot} shows their quality, with advice"


def _rule(person: PersonRule | PersonAt, detections: Detections, clip: Clip) -> PersonRule:
    """The rule, or of a place the tracks of who is there."""
    if not isinstance(person, PersonAt):
        return person
    first = clip.trim[0] if clip.trim else 0.0
    index = round((person.seconds - first) * float(clip.frame_rate))
    height, width = clip.framing.source_size
    place = clip.framing.to_working(np.array([person.x * width, person.y * height]))
    return with_re_entries(detections, track_at(detections, index, place))
