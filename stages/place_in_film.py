"""Where a transfer's poses are in the dancer's film: `python -m stages place_in_film a_as_b`."""

from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.storage import sha256_of
from motiontransfer.core.tensor_files import write_arrays
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.rendering.rendered import RenderParams
from motiontransfer.retargeting.film_place import find_place
from motiontransfer.retargeting.statistics import read_statistics
from motiontransfer.video.clip import FILM_FILE, FULL_SIZE_FILE, read_clip


def main(transfer: str) -> str:
    names = load_section(Transfer, f"transfers.{transfer}")
    place = find_place(
        read_keypoints(layout.poses_file(transfer)),
        read_keypoints(layout.keypoints_file(names.source_subject, names.source)),
        read_clip(layout.clip_folder(names.source_subject, names.source)).framing,
        source=read_statistics(layout.statistics_file(names.source_subject)),
        target=read_statistics(layout.statistics_file(names.target)),
        stature=load_section(RenderParams, "render").stature,
    )
    scene = sorted(layout.scene_folder(names.source).iterdir())
    digests = {file.name: sha256_of(file) for file in scene}  # what shows it, depends on this
    clips = sorted(layout.clips_folder(names.target).iterdir())
    kept = (FILM_FILE, FULL_SIZE_FILE, layout.FRAMES_FILE)  # the input's own bytes, or its pixels
    files = [next(file for name in kept if (file := clip / name).exists()) for clip in clips]
    shown = [sha256_of(file) for file in files]
    file = layout.place_file(transfer)
    write_arrays(file, place._asdict(), description={"scene": digests, "target": shown})
    return f"{file}: where {names.target} is in {names.source}"
