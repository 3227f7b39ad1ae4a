"""What is told of a film that was checked: its facts, a judgment, advice, and pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from tqdm import tqdm

from motiontransfer.core.arrays import AnyFrame
from motiontransfer.core.errors import printable
from motiontransfer.core.events import FilmChecked, Judgment
from motiontransfer.core.recipe import read_recipe
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.filming.photo_advice import photo_advice
from motiontransfer.filming.quality import NOTHING_TO_FIX, STEADY_CAMERA, STILL_CAMERA, verdict
from motiontransfer.pose.shown import HALF, NOBODY, WHOLE, in_words
from motiontransfer.project.entries import check_pictures
from motiontransfer.project.video_check import VideoCheck
from motiontransfer.rendering.inspect import Inspection, draw_overlay
from motiontransfer.rendering.videos import contact_sheet, write_image
from motiontransfer.video.geometry import as_high

_NUM_SHOWN = 6
_NUM_IN_STRIP, _STRIP_PX = 10, 90
_LEAST_KNOWN = 0.5  # of the sampled frames, of a film that is of use as it is
_UNEVEN = 0.02  # share of frames whose time differs by more than half a frame from an even rate
_LOW_FRAME_RATE, _HIGH_FRAME_RATE = 15, 120
_SHORT_TARGET_SECONDS = 60.0


def metadata_line(check: VideoCheck) -> str:
    """One line of metadata: length, size, rate, codec, orientation, sound."""
    metadata = check.metadata
    height, width = metadata.size
    name = printable(metadata.path.name)
    if metadata.is_picture:
        cutout = ", its transparency is its mask" if metadata.is_transparent else ""
        return f"{name}: a picture, {width}x{height} px, {metadata.codec.upper()}{cutout}"
    rate = f"{float(metadata.frame_rate):.2f}".rstrip("0").rstrip(".")
    intervals = np.diff(metadata.packet_times.starts_seconds)
    intervals *= float(metadata.frame_rate) / (2 if metadata.scan == "interlaced" else 1)
    is_variable = (np.abs(intervals - 1) > 0.5).sum() > _UNEVEN * intervals.size
    turned = 90 * metadata.orientation.quarter_turns
    sizes = " and ".join(f"{width}x{height}" for height, width in metadata.other_sizes)
    texts = [
        tqdm.format_interval(round(check.seconds)),
        f"{width}x{height} px",
        f"{rate} frames a second" + (", variable: made constant" if is_variable else ""),
        {"h264": "H.264", "hevc": "H.265"}.get(metadata.codec, metadata.codec.upper()),
        *([f"stored turned by {turned}°"] if turned else []),
        *(["stored mirrored"] if metadata.orientation.mirrored else []),
        *([] if metadata.scan == "progressive" else [f"{metadata.scan}: made progressive"]),
        *([f"in parts {sizes}: fitted into the rest's size"] if sizes else []),
        *(["transparent: gray behind it"] if metadata.is_transparent else []),
        f"with sound that cannot be decoded ({metadata.unheard}): it will be silent"
        if metadata.unheard
        else "with sound"
        if metadata.has_sound
        else "without sound",
    ]
    return f"{name}: {', '.join(texts)}"


def quality_lines(check: VideoCheck) -> Iterator[str]:
    quality, people = check.quality, np.array(check.people)
    if check.metadata.is_picture and not people[0]:
        yield "  people       none"
        return
    if check.metadata.is_picture:
        height = f", {quality.body_height_px:.0f} px of {check.framing.size[0]} tall"
        height = f"{height} in the working image" if quality.shows == WHOLE else ""
        yield f"  shows        {in_words(quality.shows)}{height}"
        return
    yield f"sampled frames: {len(people)}"
    if people.min() == people.max():
        yield f"  people       {f'{people[0]} in each' if people[0] else 'none'}"
    else:
        yield f"  people       {people.min()} to {people.max()}, {np.median(people):.0f} in most"
    known = quality.person_known
    if known.any():
        inside = [
            f"{part} {1 - frames[known].mean():.0%}".replace("%", " %")
            for part, frames in quality.outside.items()
        ]
        yield f"  in view      {', '.join(inside)} of frames"
        if quality.shows == WHOLE:
            height = f"{quality.body_height_px:.0f} px of {check.framing.size[0]}"
            yield f"  height       {height} in the working image"
        else:
            yield f"  shows        {in_words(quality.shows)}"
    speed = quality.camera_speed
    if speed is None:
        yield "  camera       not known: the background is too plain"
    elif speed > STILL_CAMERA:
        yield f"  camera       moves, {100 * speed:.0f} % of the image's width per second"
    elif (wander := quality.camera_wander or 0.0) > STEADY_CAMERA:
        yield f"  camera       wanders, by {100 * wander:.1f} % of the image's width"
    else:
        yield "  camera       still"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crowd:
    """The sampled frame in which most people are found."""

    index: int
    seconds: float
    """From the film's first frame."""
    people: Float64[np.ndarray, "people 4"]
    """Box of each, shares of its width and height."""
    chosen: int | None
    """Who of them is followed; None: not known there."""

    @classmethod
    def of(cls, check: VideoCheck) -> "_Crowd":
        frames = range(len(check.everyone))
        index = max(frames, key=lambda frame: len(check.everyone[frame]))
        height, width = check.metadata.size
        boxes = np.array(check.everyone[index], np.float64).reshape(-1, 4)
        found = check.keypoints.points[index][check.keypoints.score[index] > 0]
        chosen = None
        if len(boxes) and len(found):
            middles = check.framing.to_working((boxes[:, :2] + boxes[:, 2:]) / 2)
            place = (found.min(axis=0) + found.max(axis=0)) / 2
            chosen = int(np.linalg.norm(middles - place, axis=1).argmin())
        return cls(
            index=index,
            seconds=check.start_seconds + check.seconds * index / max(len(frames) - 1, 1),
            people=boxes / (width, height, width, height),
            chosen=chosen,
        )

    def place_of(self, person: int) -> str:
        x0, y0, x1, y1 = self.people[person]
        return f"{(x0 + x1) / 2:.2f} {(y0 + y1) / 2:.2f}"

    def advice(self, *, is_target: bool) -> Iterator[str]:
        """Who of several people is chosen, and how to choose another."""
        if len(self.people) < 2 or self.chosen is None:
            return
        other = next(person for person in range(len(self.people)) if person != self.chosen)
        option = "--person-me" if is_target else "--person"
        yield (
            f"of {len(self.people)} people the one at {self.place_of(self.chosen)}, shares of the "
            "width and height, is chosen. For another one click there in the page, or give `dance` "
            f"a place and a time, such as `{option} {self.place_of(other)} {self.seconds:.1f}`"
        )


def advice(check: VideoCheck, *, is_target: bool) -> list[str]:
    """Fixes for the file and the pose, or `NOTHING_TO_FIX` alone."""
    sentences = [*_Crowd.of(check).advice(is_target=is_target)]
    quality = check.quality
    if check.metadata.is_picture:
        found = photo_advice(check.keypoints, num_people=check.people[0], turn=quality.turn)
    else:  # who is in view is told once
        others = np.zeros_like(quality.with_others) if sentences else quality.with_others
        found = verdict(replace(quality, with_others=others))
    sentences += [text for text in found if text != NOTHING_TO_FIX]
    if check.metadata.is_picture:
        return sentences or [NOTHING_TO_FIX]
    (left, top, right, bottom), (x0, y0, x1, y1) = check.framing.crop, check.picture
    if left < x0 or top < y0 or right > x1 or bottom > y1:
        sentences.append(
            f"black bars are taken for the room: set the video's crop to {[*check.picture]}, which "
            "leaves them out, or to auto"
        )
    if not check.quality.person_known.any():
        return sentences
    rate = float(check.metadata.frame_rate)
    if rate < _LOW_FRAME_RATE:
        sentences.append(f"{rate:g} frames per second are few for fast motion; film with 25 to 60")
    if rate > _HIGH_FRAME_RATE:
        sentences.append(
            f"{rate:g} frames per second: set decode.frame_rate to the other film's where that has "
            "far fewer, or the network learns steps of another length"
        )
    if check.cuts_seconds:
        times = ", ".join(f"{seconds:.1f} s" for seconds in check.cuts_seconds)
        sentences.append(f"the film is cut at {times}: make one film of each shot, and choose one")
    if is_target and check.seconds < _SHORT_TARGET_SECONDS:
        sentences.append(
            f"{check.seconds:.0f} s show few poses of a target; film a minute, with all that the "
            "dancer does"
        )
    return sentences or [NOTHING_TO_FIX]


def film_checked(name: str, check: VideoCheck, *, is_target: bool) -> FilmChecked:
    """Judgment and advice on a film, with pictures of what was found."""
    sentences = advice(check, is_target=is_target)
    judgment, sentence = _judged(check, sentences)
    recipe = read_recipe(check.metadata.comment)
    picture, strip, crowded = check_pictures(name)
    write_image(picture, _found(check))
    crowd = _Crowd.of(check)
    write_image(crowded, check.whole[crowd.index])
    is_picture = check.metadata.is_picture
    if not is_picture:
        some = evenly_spaced(check.whole, count=_NUM_IN_STRIP)
        write_image(strip, np.concatenate([as_high(frame, _STRIP_PX) for frame in some], axis=1))
    return FilmChecked(
        name=name,
        judgment=judgment,
        sentence=sentence,
        facts=(metadata_line(check), *quality_lines(check), *([str(recipe)] if recipe else [])),
        advice=tuple(text for text in sentences if text != NOTHING_TO_FIX),
        picture=str(picture),
        seconds=0.0 if is_picture else check.seconds,
        height=check.full_height,
        strip="" if is_picture else str(strip),
        crowd=str(crowded),
        crowd_seconds=crowd.seconds,
        people=tuple(map(tuple, crowd.people.round(4).tolist())),
        chosen=crowd.chosen,
        recipe=tuple(f"{key}: {value}" for key, value in recipe.own.items()) if recipe else (),
    )


def _judged(check: VideoCheck, advised: Sequence[str]) -> tuple[Judgment, str]:
    """Whether a film can be used as it is, in one sentence."""
    quality, most = check.quality, max(check.people)
    if not most or quality.shows == NOBODY:
        return "poor", "Poor: nobody is found."
    who = "one person" if most == 1 else f"{most} people"
    is_headless = (quality.outside["head"] & quality.person_known).mean() > _LEAST_KNOWN
    told = f"{who}, {'without the head' if is_headless else in_words(quality.shows)}."
    if advised == [NOTHING_TO_FIX]:
        return "good", f"Good: {told}"
    shows_little = quality.shows not in (WHOLE, *HALF)
    if quality.turn or shows_little or is_headless or quality.person_known.mean() < _LEAST_KNOWN:
        return "poor", f"Poor: {told}"
    return "fair", f"Usable: {told}"


def _found(check: VideoCheck) -> AnyFrame:
    """What was found in some of the sampled frames."""
    seen = Inspection(
        video=check.metadata.path.stem,
        frames=check.metadata.path,
        keypoints=check.keypoints,
        detections=None,
        motion=check.motion,
    )
    indices = evenly_spaced(range(len(check.frames)), count=_NUM_SHOWN)
    drawn = [draw_overlay(check.frame(index), seen, index) for index in indices]
    times = [f"{index / float(check.keypoints.frame_rate):.1f} s" for index in indices]
    return contact_sheet({"": drawn}, times)
