"""Encode one transfer's videos: `python -m stages encode ada_as_ben`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from itertools import repeat
from typing import Any, TypeVar

from motiontransfer.core import layout
from motiontransfer.core.errors import PARAMS_FILE, ParamsError
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.progress import track
from motiontransfer.core.storage import replacing_folder, write_json
from motiontransfer.pose.keypoints import Keypoints, read_keypoints
from motiontransfer.provenance.signing import Content, load_credentials, signed_files
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.warping import Puppet
from motiontransfer.rendering.backgrounds import (
    FILM,
    NO_MASK,
    check_background,
    files_over,
    written_over,
)
from motiontransfer.rendering.compositing import (
    puppet_frames,
    size_of_height,
    upsample_frames,
    without_mask,
)
from motiontransfer.rendering.rendered import RenderParams, read_rendered
from motiontransfer.rendering.scene import (
    DancersFilm,
    Shown,
    film_size,
    is_in_film,
    networks_in_film,
    place_of,
    puppet_in_film,
    scene_film,
    shown_poses,
    with_scene,
)
from motiontransfer.rendering.videos import Panels, comparison_writer, transfer_writer, write_videos
from motiontransfer.video.clip import read_clip
from motiontransfer.video.color import Frame, MaskedFrame
from motiontransfer.video.frame_store import FrameStore, check_decodable
from motiontransfer.video.geometry import resize

_Frame = TypeVar("_Frame", Frame, MaskedFrame)
_GENERATED: Content = "trainedAlgorithmicMedia"
_COMPOSITE: Content = "compositeWithTrainedAlgorithmicMedia"


def main(transfer: str) -> str:
    params = load_section(RenderParams, "render")
    names = load_section(Transfer, f"transfers.{transfer}")
    credentials = load_credentials() if params.provenance == "c2pa" else None
    if names.truth_path:
        check_decodable(names.truth_path)
    check_background(params.background)
    source = read_clip(layout.clip_folder(names.source_subject, names.source))
    poses = read_keypoints(layout.poses_file(transfer))
    rendered = read_rendered(layout.rendered_folder(transfer))
    in_film, scene = is_in_film(transfer), layout.scene_folder(names.source)
    film_file = scene_film(scene) if in_film else None
    full_size = film_size(source) if in_film else rendered.full_size
    size = size_of_height(poses.image_size, full_size, height=params.height)
    panels = Panels(
        source=source.frames,
        poses=shown_poses(transfer),
        truth=names.truth_path,
        style=rendered.style,
    )
    results, others = layout.results_folder(transfer), layout.backgrounds_folder(transfer)
    assertion = with_scene(rendered.assertion, transfer)
    frames_file = layout.rendered_folder(transfer) / layout.FRAMES_FILE
    is_drawn = not frames_file.exists()
    read = cache(partial(read_appearance, layout.appearance_file(names.target)))
    looks = {"crf": params.crf, "visible_label": params.visible_label}
    with ExitStack() as stack:
        enter = stack.enter_context
        has_room, rooms = params.background == FILM, deque[Frame]()
        if in_film:
            film = DancersFilm(scene, source, size=size)
            place, how = place_of(transfer), {"match_light": params.match_light}
            drawn = puppet_in_film(read(), film, place.placed(poses), **how)
            if not is_drawn:
                store = enter(FrameStore(frames_file))
                stored = _masked(store, "the dancer's film")
                home = _enlarged(stored, read, poses, size=rendered.full_size)
                drawn = networks_in_film(home, poses, read(), film, place, **how)
            films = deque[Frame]()
            frames = _noted(drawn, films, None if has_room else rooms)
            panels = replace(panels, source=_taken(films))
        elif is_drawn:
            drawn = puppet_frames(Puppet(read(), poses.image_size), poses, size=size)
            frames = map(without_mask, drawn) if has_room else drawn
        else:
            store = enter(FrameStore(frames_file))
            stored = store.frames() if has_room else _masked(store, params.background)
            frames = _enlarged(stored, read, poses, size=size)
        if not has_room:
            own = dict.fromkeys(files_over(params.background), _COMPOSITE)
            folder = enter(
                signed_files(
                    enter(replacing_folder(others)), own, assertion, credentials, film_file
                )
            )
            empty = _taken(rooms) if in_film else repeat(resize(read().background, size))
            frames = written_over(frames, folder, params.background, empty, source, **looks)
        frames = track(frames, "encode", total=poses.num_frames)
        signs = {"assertion": assertion, "credentials": credentials, "film": film_file}
        files = partial(signed_files, results, **signs)
        sheet: dict[str, Any] = {"contact_sheet_file": results / "contact_sheet.png"}
        sheet["num_columns"] = params.contact_sheet_columns
        if is_drawn and not in_film:  # the result is there before what compares it
            own = {layout.TRANSFER_FILE: _COMPOSITE}
            with files(own) as folder, transfer_writer(folder, source, **looks) as write:
                for frame in frames:
                    write(frame)
            own = {layout.COMPARISON_FILE: _COMPOSITE}
            comparison = comparison_writer(
                enter(files(own)), panels, source, crf=params.crf, **sheet
            )
            compare = enter(comparison)
            for frame in enter(FrameStore(results / layout.TRANSFER_FILE)).frames():
                compare(frame)
        else:
            made_by = _COMPOSITE if in_film else _GENERATED
            own = {layout.TRANSFER_FILE: made_by, layout.COMPARISON_FILE: _COMPOSITE}
            write_videos(enter(files(own)), frames, panels, source, **sheet, **looks)
    counts = {"frames": poses.num_frames, "frames_per_second": float(poses.frame_rate)}
    counts |= {"height": size[0], "width": size[1], **rendered.stand_ins}
    write_json(layout.counts_file("encode", transfer), counts)
    made = f"{layout.TRANSFER_FILE}, {layout.COMPARISON_FILE} and contact_sheet.png in {results}"
    if params.background == FILM:
        with replacing_folder(others):
            pass
    else:
        own = " and ".join(files_over(params.background))
        made += f"; {own} in {others}, without the room and so without the shadows on it"
    if unfilmed := rendered.stand_ins.get("frames_with_unfilmed_side"):
        made += (
            f"; {unfilmed:.0%} of the frames show a side that was never filmed: another stands in"
        )
    return f"{poses.num_frames} frames in {made}"


def _noted(
    shown: Iterable[Shown], films: deque[Frame], rooms: deque[Frame] | None
) -> Iterator[Frame | MaskedFrame]:
    """Yield the frames, with a mask where rooms are wanted; note the film and rooms of each."""
    for frame, room in shown:
        films.append(room.film)
        if rooms is not None:
            rooms.append(room.empty)
        yield without_mask(frame) if rooms is None else frame


def _taken(noted: deque[Frame]) -> Iterator[Frame]:
    """What is noted by the time when it is asked for."""
    while True:
        yield noted.popleft()


def _masked(store: FrameStore, background: str) -> Iterator[MaskedFrame]:
    if not store.has_masks:
        raise ParamsError(f"{PARAMS_FILE}: render.background: {NO_MASK.format(background)}")
    return store.masked_frames()


def _enlarged(
    frames: Iterator[_Frame],
    read: Callable[[], Appearance],
    poses: Keypoints,
    *,
    size: tuple[int, int],
) -> Iterator[_Frame]:
    if size == poses.image_size:
        return frames
    puppet = Puppet(read(), poses.image_size)
    return upsample_frames(frames, puppet.follow(poses), size=size)
