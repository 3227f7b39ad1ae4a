"""Encode one transfer's videos: `python -m stages encode ada_as_ben`."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.core.errors import PARAMS_FILE, ParamsError
from motiontransfer.core.params import Transfer, load_params, load_section
from motiontransfer.core.progress import track
from motiontransfer.core.recipe import recipe_text
from motiontransfer.core.storage import replacing_folder, write_json
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.provenance.signing import Content, load_credentials, signed_files
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.backgrounds import NO_MASK, check_background, files_over, written_over
from motiontransfer.rendering.compositing import puppet_frames, size_of_height, without_mask
from motiontransfer.rendering.rendered import Rendered, RenderParams, read_rendered
from motiontransfer.rendering.scene import (
    DancersFilm,
    film_size,
    is_in_film,
    networks_in_film,
    place_of,
    puppet_in_film,
    shown_poses,
    with_scene,
)
from motiontransfer.rendering.videos import (
    Panels,
    check_truth,
    comparison_writer,
    panel_size,
    transfer_writer,
)
from motiontransfer.video.clip import Clip, read_clip
from motiontransfer.video.frame_store import FrameStore, check_decodable
from motiontransfer.video.geometry import resize

_Frame = TypeVar("_Frame", Frame, MaskedFrame)
_GENERATED: Content = "trainedAlgorithmicMedia"
_COMPOSITE: Content = "compositeWithTrainedAlgorithmicMedia"
_Signed = Callable[[Mapping[str, Content]], AbstractContextManager[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    """A transfer as `render` left it."""

    name: str
    names: Transfer
    source: Clip
    poses: Keypoints
    rendered: Rendered
    in_film: bool
    size: tuple[int, int]
    """(height, width) of the result."""


class _Drawn(NamedTuple):
    """A transfer's frames."""

    frames: Iterable[Any]
    """Where they are drawn over another background, too: each with its mask, and its room."""
    beside: Path | Iterator[Frame]
    """Frames of the source subject."""
    content: Content
    film: Path | None = None
    """The dancer's, if they are in it."""
    recipe: str = ""


def main(transfer: str) -> str:
    params = load_section(RenderParams, "render")
    names = load_section(Transfer, f"transfers.{transfer}")
    credentials = load_credentials() if params.provenance == "c2pa" else None
    if names.truth_path:
        check_decodable(names.truth_path)
    check_background(params.background)
    own = _read(transfer, names, height=params.height)
    frames_file = layout.rendered_folder(transfer) / layout.FRAMES_FILE
    with ExitStack() as stack:
        enter = stack.enter_context
        store = enter(FrameStore(frames_file)) if frames_file.exists() else None
        drawn = (_in_dancers_film if own.in_film else _at_home)(own, params, store)
        recipe = ""
        assertion = with_scene(own.rendered.assertion, transfer)
        if params.provenance == "c2pa":
            recipe = recipe_text(load_params(layout.PARAMS_OF_RESULTS_FILE))
            assertion = {**assertion, "recipe": json.loads(recipe)}
        signs = {"assertion": assertion, "credentials": credentials, "film": drawn.film}
        frames, looks = drawn.frames, _looks(params)
        others = layout.backgrounds_folder(transfer)
        if params.background != layout.FILM:
            over = dict.fromkeys(files_over(params.background), _COMPOSITE)
            folder = enter(signed_files(enter(replacing_folder(others)), over, **signs))
            frames = written_over(frames, folder, params.background, own.source, **looks)
        frames = track(frames, "encode", total=own.poses.num_frames)
        signed = partial(signed_files, layout.results_folder(transfer), **signs)
        _write(own, params, drawn._replace(frames=frames, recipe=recipe), signed)
    if params.background == layout.FILM:
        with replacing_folder(others) as folder:
            (folder / "none").mkdir()  # which DVC does not keep, but of an empty folder it warns
    counts = {"frames": own.poses.num_frames, "frames_per_second": float(own.poses.frame_rate)}
    counts |= {"height": own.size[0], "width": own.size[1], **own.rendered.stand_ins}
    write_json(layout.counts_file("encode", transfer), counts)
    return _made(own, params)


def _read(transfer: str, names: Transfer, *, height: int | None) -> _Transfer:
    source = read_clip(layout.clip_folder(names.source_subject, names.source))
    poses = read_keypoints(layout.poses_file(transfer))
    rendered = read_rendered(layout.rendered_folder(transfer))
    in_film = is_in_film(transfer)
    full_size = film_size(source) if in_film else rendered.full_size
    return _Transfer(
        name=transfer,
        names=names,
        source=source,
        poses=poses,
        rendered=rendered,
        in_film=in_film,
        size=size_of_height(poses.image_size, full_size, height=height),
    )


def _looks(params: RenderParams) -> dict[str, Any]:
    return {"crf": params.crf, "visible_label": params.visible_label}


def _appearance(own: _Transfer) -> Appearance:
    return read_appearance(layout.appearance_file(own.names.target))


def _at_home(own: _Transfer, params: RenderParams, store: FrameStore | None) -> _Drawn:
    """The target in their room, by the networks' stored frames or by the puppet over them."""
    has_room, read = params.background == layout.FILM, cache(partial(_appearance, own))
    if own.rendered.is_drawn:
        puppet = Puppet(read(), own.poses.image_size)
        behind = None if store is None else store.frames()
        frames = puppet_frames(puppet, own.poses, size=own.size, rooms=behind)
        frames = map(without_mask, frames) if has_room else frames
    else:
        assert store is not None
        frames = store.frames() if has_room else _masked(store, params.background)
    if not has_room:
        frames = zip(frames, repeat(resize(read().background, own.size)), strict=False)
    content = _COMPOSITE if store is None else _GENERATED
    return _Drawn(frames, own.source.frames, content)


def _in_dancers_film(own: _Transfer, params: RenderParams, store: FrameStore | None) -> _Drawn:
    """The same in the dancer's place; what is beside is the film."""
    appearance, how = _appearance(own), {"match_light": params.match_light}
    film = DancersFilm(layout.scene_folder(own.names.source), own.source, size=own.size)
    place = place_of(own.name)
    if store is None or own.rendered.is_drawn:
        shown = puppet_in_film(appearance, film, place.placed(own.poses), **how)
    else:
        home = _masked(store, "the dancer's film")
        shown = networks_in_film(home, own.poses, appearance, film, place, **how)
    if params.background == layout.FILM:
        frames = (without_mask(frame) for frame, _ in shown)
    else:
        frames = ((frame, room.empty) for frame, room in shown)
    return _Drawn(frames, film.frames(), _COMPOSITE, film.path)


def _write(own: _Transfer, params: RenderParams, drawn: _Drawn, signed: _Signed) -> None:
    """Write the result first, so that it is there before what compares it."""
    panels = _panels(own, drawn)
    check_truth(panels)
    with (
        signed({layout.TRANSFER_FILE: drawn.content}) as folder,
        transfer_writer(folder, own.source, comment=drawn.recipe, **_looks(params)) as write,
    ):
        for frame in drawn.frames:
            write(frame)
    with (
        FrameStore(layout.results_folder(own.name) / layout.TRANSFER_FILE) as result,
        signed({layout.COMPARISON_FILE: _COMPOSITE}) as folder,
        comparison_writer(
            folder, panels, own.source, crf=params.crf, **_sheet(own, params)
        ) as compare,
    ):
        for frame in result.frames(size=panel_size(result.size)):
            compare(frame)


def _sheet(own: _Transfer, params: RenderParams) -> dict[str, Any]:
    file = layout.results_folder(own.name) / "contact_sheet.png"
    return {"contact_sheet_file": file, "num_columns": params.contact_sheet_columns}


def _made(own: _Transfer, params: RenderParams) -> str:
    results, others = layout.results_folder(own.name), layout.backgrounds_folder(own.name)
    made = f"{own.poses.num_frames} frames in {layout.TRANSFER_FILE}, {layout.COMPARISON_FILE} "
    made += f"and contact_sheet.png in {results}"
    if params.background != layout.FILM:
        over = " and ".join(files_over(params.background))
        made += f"; {over} in {others}, without the room and so without the shadows on it"
    if unfilmed := own.rendered.stand_ins.get("frames_with_unfilmed_side"):
        made += (
            f"; {unfilmed:.0%} of the frames show a side that was never filmed: another stands in"
        )
    return made


def _panels(own: _Transfer, drawn: _Drawn) -> Panels:
    return Panels(
        source=drawn.beside,
        poses=shown_poses(own.name),
        truth=own.names.truth_path,
        style=own.rendered.style,
    )


def _masked(store: FrameStore, background: str) -> Iterator[MaskedFrame]:
    if not store.has_masks:
        raise ParamsError(f"{PARAMS_FILE}: render.background: {NO_MASK.format(background)}")
    return store.masked_frames()
