"""Evaluation protocols: self-reconstruction, a transfer, and the videos of any system.

Self-reconstruction renders the target's held-out frames from their own poses. The ground truth is
known pixel by pixel, so ablations of the networks are compared here (Chan et al. 2019, sec. 4.2). A
transfer is compared with its intended poses, and, if there is one, with a real video of the target
performing the source's motion. Videos of any system are compared with such a video alone, by the
metrics that need no intended pose, baseline or training frames.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import TrainingError
from motiontransfer.core.params import Compute
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import (
    HALF_PIXEL,
    PosedFrames,
    all_regions,
    check_frames,
    clip_frames,
    concatenated,
    has_more_pixels,
    person_regions,
    read_frames,
)
from motiontransfer.evaluation.image_metrics import (
    Blurred,
    ImageDistance,
    count_blurred,
    count_skipped,
    likeness_scores,
)
from motiontransfer.evaluation.measurements import (
    CEILING,
    FRAMES,
    NEAREST_NEIGHBORS,
    OURS,
    Measurements,
    MetricKey,
    RatioMetric,
    Ratios,
    block_length,
    in_section,
)
from motiontransfer.evaluation.metrics import path_of
from motiontransfer.evaluation.noise import noise_of
from motiontransfer.evaluation.params import PretrainedWeights
from motiontransfer.evaluation.pose_metrics import nearest_frames, offsets, pose_scores
from motiontransfer.evaluation.sharp_frames import (
    blurred_boxes,
    detection_size,
    film_frames,
    sharp_frames,
)
from motiontransfer.evaluation.streaming import FrameMetric, image_metric, measure, over_time
from motiontransfer.evaluation.surroundings import film_room, surroundings_scores
from motiontransfer.evaluation.temporal_metrics import BackgroundFlicker, frame_changes
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.detection import detect_person
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.videos import contact_sheet, write_image
from motiontransfer.video.clip import DETECTION_SCALE
from motiontransfer.video.frame_store import FrameStore, write_frames

Render = Callable[[Keypoints], Iterator[Frame]]
"""Function from poses to as many generated frames."""

_REAL, _TRUTH = "real", "truth"
_MOST_HELD_OUT = 24  # frames of all clips, as detection and five renderings of each take time
_MOST_FILMED = 50  # frames that tell how sharp held-out faces can be
_NUM_COLUMNS = 8  # of the comparison image
_FEWEST_ROWS = 256  # in which smaller hands would not show
_ROWS = {_REAL: "real", OURS: "generated", NEAREST_NEIGHBORS: "nearest neighbour"}


def open_lpips(weights: PretrainedWeights, *, param: str) -> ImageDistance | None:
    """LPIPS by the weights for which a param asks; None of none.

    Raises:
        MissingFileError: no such file, or it could not be downloaded.
        WeightsError: not a file of tensors, or not this network's.
    """
    if weights == "none":
        return None
    from motiontransfer.evaluation.lpips import load_lpips  # PyTorch takes seconds

    return load_lpips(weights if isinstance(weights, Path) else None, param=param)


def _not_measured(lpips: ImageDistance | None) -> dict[str, str]:
    """Metric that other work reports -> reason why it is missing here."""
    reasons = {"face_identity": "needs a face-recognition network"}
    if lpips is None:
        reasons["lpips"] = "no weights were asked for: lpips_weights is none"
    return reasons


def detected_frames(video: Path, *, size: tuple[int, int], compute: Compute) -> PosedFrames:
    """A finished video, with the pose detected again in each of its frames.

    The pipeline's detector runs with its default settings, not those of the section
    `detect_keypoints`, so that runs with different detection settings can be compared. Its errors
    may correlate with those of the generator, which was trained on its poses. It looks at frames of
    the size in which it looks at films. Poses are in the working image, whose size is given.
    """
    with FrameStore(video) as store:
        looked_at = round(DETECTION_SCALE * size[0]), round(DETECTION_SCALE * size[1])
        reduced = looked_at if has_more_pixels(store.size, looked_at) else None
    found = detect_person(video, detector=default_detector(), compute=compute, size=reduced)
    is_reduced = has_more_pixels(found.image_size, size)
    return PosedFrames(
        frames=[(video, index) for index in range(found.num_frames)],
        keypoints=found.resized(size) if is_reduced else replace(found, image_size=size),
    )


def _distances(videos: Mapping[str, PosedFrames], real: str, *, section: str = "") -> Ratios:
    """Pose metrics of each video but the ceiling, against the poses of the real one."""
    scores: dict[MetricKey, RatioMetric] = {}
    for system in (name for name in videos if name not in (real, CEILING)):
        scores |= pose_scores(videos[system].keypoints, videos[real].keypoints, system=system)
    return in_section(section, scores)


def _against_truth(
    posed: Mapping[str, PosedFrames],
    lpips: ImageDistance | None,
    blurred: Blurred = MappingProxyType({}),
) -> Ratios:
    """Metrics against the ground truth, each frame moved so that both people stand in one place.

    Where somebody stands is decided by the normalization, and seen by nobody who has no ground
    truth. Frames are moved by whole pixels of the size in which poses are detected, which keeps
    them sharp. They are compared in the working image. The remaining offset is below the half pixel
    of the ceiling. Whole frames are not compared here.
    """
    working = posed[_TRUTH].keypoints.image_size
    detected = _size_of_detection(posed, working)
    ceiling = posed[_TRUTH].at(detected).moved(HALF_PIXEL * detected[0] / working[0])
    videos = {_TRUTH: posed[_TRUTH], CEILING: ceiling.at(working)}
    for name, own in posed.items():
        if name != _TRUTH:
            size = working if name == NEAREST_NEIGHBORS else detected
            shown, real = own.at(size), posed[_TRUTH].at(size)
            videos[name] = shown.moved(offsets(shown.keypoints, real.keypoints)).at(working)
    images = image_metric(videos, real=_TRUTH, lpips=lpips, blurred=blurred, section=_TRUTH)
    found = measure(videos, [images])
    found = {key: scores for key, scores in found.items() if key.region != "frame"}
    return {**found, **_distances(videos, _TRUTH, section=_TRUTH)}


def _size_of_detection(
    posed: Mapping[str, PosedFrames], working: tuple[int, int]
) -> tuple[int, int]:
    """(height, width) in which poses are detected, if all videos but the baseline have it."""
    heights = [round(DETECTION_SCALE * working[0])]
    for name, own in posed.items():
        if name != NEAREST_NEIGHBORS:
            with FrameStore(own.frames[0][0]) as store:
                heights.append(store.size[0])
    height = min(heights)
    if not has_more_pixels((height, 0), working):
        return working
    return height, round(working[1] * height / working[0])


def _summarize(
    scores: Ratios,
    *,
    block_frames: int,
    counts: Mapping[MetricKey, int] = MappingProxyType({}),
    notes: Mapping[str, str] = MappingProxyType({}),
) -> Measurements:
    """Counts, means with intervals, and notes on what is not measured."""
    return (
        Measurements.from_counts(counts)
        + Measurements.from_scores(scores, block_frames=block_frames)
        + noise_of(scores)
        + Measurements.not_measured(notes)
    )


def evaluate_reconstruction(
    clips: Sequence[TargetClip],
    render: Render,
    *,
    others: Mapping[tuple[str, str], Render] = MappingProxyType({}),
    compute: Compute,
    comparison: Path,
    scratch: Path,
    lpips: ImageDistance | None,
) -> Measurements:
    """Render each clip's held-out tail, of long ones the end, and compare it with the real frames.

    Args:
        others: section and system -> what is rendered in the working image, for its likeness alone.
        comparison: the image to write, of real frames, ours and the baseline's.
        scratch: temporary folder of the rendered frames.

    Returns:
        Of `ours` and the baselines: metrics of images and poses, and section `temporal`.

    Raises:
        TrainingError: no frame was held out.
    """
    tails = [clip for clip in clips if len(clip.held_out)]
    if not tails:
        raise TrainingError(
            f"no frame is held out in {', '.join(clip.name for clip in clips)}; evaluation needs "
            "some that were not trained on: raise split.held_out_fraction"
        )
    share = max(_MOST_HELD_OUT // len(tails), 1)
    tails = [replace(clip, held_out=clip.held_out[-share:]) for clip in tails]
    real = concatenated([clip_frames(clip, clip.held_out) for clip in tails])
    generated = {
        OURS: _detected(_rendered(tails, render, scratch / OURS), compute),
        NEAREST_NEIGHBORS: nearest_frames(real.keypoints, clips),
        CEILING: real.moved(HALF_PIXEL),
    }
    videos = {_REAL: real, **generated}
    alone = {
        name: concatenated(_rendered(tails, other, scratch / "_".join(name)))
        for name, other in others.items()
    }
    blurred = [
        blurred_boxes(detection_size(clip, clip.held_out), film)
        for clip, film in zip(tails, film_frames(tails, most=_MOST_FILMED), strict=True)
    ]
    scores = {**_measure_tails(videos, alone, tails, lpips, blurred), **_distances(videos, _REAL)}
    skipped = count_skipped(all_regions(real.keypoints))
    found = _summarize(
        scores,
        block_frames=block_length(len(real.frames), real.keypoints.frame_rate),
        counts={MetricKey(FRAMES, "", ""): len(real.frames), **skipped, **count_blurred(blurred)},
        notes=_not_measured(lpips),
    )
    write_image(comparison, _comparison(videos))
    return found


def _measure_tails(
    videos: Mapping[str, PosedFrames],
    alone: Mapping[tuple[str, str], PosedFrames],
    tails: Sequence[TargetClip],
    lpips: ImageDistance | None,
    blurred: Sequence[Blurred],
) -> Ratios:
    """Scores of all metrics, measured clip by clip: frames across a cut are not compared.

    Args:
        alone: videos that have likeness alone, by section and system.
    """
    named = {"_".join(name): name for name in alone}
    parts: list[Ratios] = []
    start = 0
    for clip, of_clip in zip(tails, blurred, strict=True):
        frames = range(start, start + len(clip.held_out))
        start = frames.stop
        tail = {name: posed.part(frames) for name, posed in videos.items()}
        moving = {name: tail[name] for name in videos if name != CEILING}
        background = person_regions(tail[_REAL].keypoints)
        flicker = BackgroundFlicker(moving, persons=background, section="")
        images = image_metric(tail, real=_REAL, lpips=lpips, blurred=of_clip)
        likenesses = partial(
            likeness_scores,
            real=_REAL,
            systems=named,
            regions=all_regions(tail[_REAL].keypoints),
            blurred=of_clip,
        )
        around = partial(
            surroundings_scores,
            room=film_room(clip),
            indices=clip.held_out,
            real=_REAL,
            systems=(OURS,),
        )
        tail |= {name: alone[key].part(frames) for name, key in named.items()}
        of_frames = [images, FrameMetric(likenesses), flicker, FrameMetric(around)]
        parts.append(measure(tail, [*of_frames, *over_time(moving, real=_REAL)]))
    return {key: RatioMetric.concatenated([part[key] for part in parts]) for key in parts[0]}


def _rendered(clips: Sequence[TargetClip], render: Render, folder: Path) -> list[PosedFrames]:
    """Render each tail to a file of its own."""
    rendered = []
    for clip in clips:
        poses, path = clip.keypoints.part(clip.held_out), folder / f"{clip.name}.mkv"
        frames = track(render(poses), f"render {clip.name}", total=poses.num_frames)
        write_frames(path, frames, frame_rate=poses.frame_rate)
        of_film = [(path, index) for index in range(poses.num_frames)]
        rendered.append(PosedFrames(frames=of_film, keypoints=poses))
    return rendered


def _detected(films: Sequence[PosedFrames], compute: Compute) -> PosedFrames:
    """The films with the pose detected again in each frame."""
    found = [
        detected_frames(film.frames[0][0], size=film.keypoints.image_size, compute=compute)
        for film in films
    ]
    return concatenated(found)


def _comparison(videos: Mapping[str, PosedFrames]) -> Frame:
    real = videos[_REAL]
    columns = evenly_spaced(range(len(real.frames)), count=_NUM_COLUMNS)
    rows = {label: [videos[name].frames[i] for i in columns] for name, label in _ROWS.items()}
    return contact_sheet(
        {label: list(read_frames(row, real.keypoints.image_size)) for label, row in rows.items()},
        [f"frame {real.frames[index][1]}" for index in columns],
    )


def evaluate_transfer(
    result: Path,
    intended: Keypoints,
    clips: Sequence[TargetClip],
    *,
    source: Path,
    truth: Path | None,
    compute: Compute,
    lpips: ImageDistance | None,
    has_baseline: bool = True,
) -> Measurements:
    """Evaluate a transfer against its intended poses; the baseline is from the target's clips.

    Args:
        has_baseline: False where the result does not show the target's room.
        source: its frame store; like the ground truth, synchronized with the result.
        truth: the target filmed performing the same motion; None where there is none.

    Returns:
        Sections `detection`, `temporal` and `sharpness`, and `truth` where there is a ground truth.
    """
    size, num_frames = intended.image_size, intended.num_frames
    check_frames(result, num_frames, size, "render this transfer again")
    posed = {OURS: detected_frames(result, size=size, compute=compute)}
    if has_baseline:
        posed[NEAREST_NEIGHBORS] = nearest_frames(intended, clips)
    counts = {MetricKey(FRAMES, "", ""): num_frames}
    notes = _not_measured(lpips)
    if truth is not None:
        advice = "film or cut it to match, or set this transfer's truth to none"
        check_frames(truth, num_frames, size, advice)
        posed[_TRUTH] = detected_frames(truth, size=size, compute=compute)
        counts |= count_skipped(all_regions(posed[_TRUTH].keypoints), section=_TRUTH)
    else:
        notes[_TRUTH] = "this transfer has no ground-truth video"
        notes["warping_error_person"] = "no real frames to take the flow from"
    with FrameStore(result) as store:
        films = film_frames(clips, height=store.size[0])
    in_films = films[0].keypoints.image_size
    if not has_baseline:  # of another shape, too
        in_films = in_films[0], round(in_films[0] * size[1] / size[0])
    resized = posed[OURS].keypoints.resized(in_films)
    with ThreadPoolExecutor(1) as beside:
        of_sharpness = beside.submit(
            sharp_frames,
            replace(posed[OURS], keypoints=resized),
            films,
            intended=intended,
            system=OURS,
        )
        scores = _transfer_scores(source, posed, intended, lpips)
        sharp, of_film = of_sharpness.result()
    if not sharp:
        notes["sharp_frames"] = "no face and no hand is to be shown large enough to be sharp"
    summary = _summarize(
        {**scores, **sharp},
        block_frames=block_length(num_frames, intended.frame_rate),
        counts=counts,
        notes=notes,
    )
    return summary + Measurements.from_values(of_film)


def _transfer_scores(
    source: Path, posed: Mapping[str, PosedFrames], intended: Keypoints, lpips: ImageDistance | None
) -> Ratios:
    """Every metric of all videos; the source is the reference of the frame change."""
    to_source = partial(frame_changes, systems=(OURS,), real="source")
    with FrameStore(source) as store:  # its frames may have another shape
        shown = PosedFrames(
            frames=[(source, index) for index in range(intended.num_frames)],
            keypoints=replace(intended, image_size=store.size),
        )
    flicker = BackgroundFlicker(posed, persons=person_regions(intended))
    metrics = [flicker, FrameMetric(to_source)]
    if _TRUTH in posed:
        metrics += [*over_time(posed, real=_TRUTH), _of_whole_frames(posed, lpips)]
    found = measure({**posed, "source": shown}, metrics)
    detection = {}
    for system in (name for name in posed if name != _TRUTH):
        found_poses = posed[system].keypoints
        detection |= pose_scores(found_poses, intended, system=system, distance="pose_error_px")
    of_truth = _against_truth(posed, lpips) if _TRUTH in posed else {}
    return {**in_section("detection", detection), **found, **of_truth}


def _of_whole_frames(videos: Mapping[str, PosedFrames], lpips: ImageDistance | None) -> FrameMetric:
    return image_metric(videos, real=_TRUTH, lpips=lpips, regions={}, section=_TRUTH)


def score_videos(
    videos: Mapping[str, Path],
    truth: Path,
    *,
    compute: Compute,
    lpips: ImageDistance | None,
    blurred: Blurred = MappingProxyType({}),
) -> Measurements:
    """Compare videos with the ground truth, frame by frame, at half size and 256 rows at least.

    Args:
        videos: name -> a video of as many frames as the ground truth, and of its size or larger.
        blurred: boxes of the ground truth that are, and have no likeness.

    Returns:
        Sections `truth` and `temporal`, as a transfer's metrics have them.
    """
    with FrameStore(truth) as store:
        num_frames, size = len(store), store.size
    for video in videos.values():
        check_frames(video, num_frames, size, f"cut it to match {truth}")
    scale = min(1, max(1 / DETECTION_SCALE, _FEWEST_ROWS / size[0]))
    working = round(scale * size[0]), round(scale * size[1])
    generated = {
        name: detected_frames(video, size=working, compute=compute)
        for name, video in videos.items()
    }
    real = detected_frames(truth, size=working, compute=compute)
    posed = {**generated, _TRUTH: real}
    flicker = BackgroundFlicker(posed, persons=person_regions(real.keypoints))
    metrics = [flicker, *over_time(posed, real=_TRUTH), _of_whole_frames(posed, lpips)]
    found = measure(posed, metrics)
    return _summarize(
        {**found, **_against_truth(posed, lpips, blurred)},
        block_frames=block_length(num_frames, real.keypoints.frame_rate),
        counts=count_blurred([blurred], section="truth"),
    )


def as_text(found: Measurements) -> dict[str, dict[str, str]]:
    """Name of a value, as `person ssim` -> video -> the value with its interval, as text."""
    texts: dict[str, dict[str, str]] = {}
    for one in found.summary:
        name = " ".join(path_of(one.key._replace(section="", system=""))).replace("_", " ")
        text = "not measured" if one.value is None else f"{one.value:.4g}"
        if one.value is not None and one.interval is not None:
            text += f" ({one.interval[0]:.4g} to {one.interval[1]:.4g})"
        texts.setdefault(name, {})[one.key.system] = text
    return texts
