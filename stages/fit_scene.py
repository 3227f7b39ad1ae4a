"""A dancer's film without the dancer: `python -m stages fit_scene dance`."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from motiontransfer.core import layout
from motiontransfer.core.params import DancersScene, load_section
from motiontransfer.core.storage import replacing_folder, write_json
from stages.decode import video_file


def main(video: str) -> str:
    scene = load_section(DancersScene, f"scenes.{video}")
    folder, subject = layout.scene_folder(video), scene.subject
    film = video_file(scene.film, f"scenes.{video}.film")
    with replacing_folder(folder) as work:
        shutil.copyfile(film, work / f"{layout.FILM_OF_SCENE}{film.suffix}")
        counts = _fit(video, subject, film, work)
    write_json(layout.counts_file("fit_scene", video), counts)
    unsure = counts["frames_with_unsure_background"]
    lost = counts["frames_without_dancer"]
    told = [f"{folder}: the film without {subject}"]
    if unsure:
        told.append(f"the room behind is not exact in {unsure} frames, as the camera moves")
    if lost:
        told.append(f"{subject} is not found in {lost} frames, and stays there")
    return "; ".join(told)


def _fit(video: str, subject: str, film: Path, folder: Path) -> dict[str, float]:
    from motiontransfer.core.tensor_files import write_arrays
    from motiontransfer.plate.scene_fitting import fit_scene
    from motiontransfer.plate.target_clips import TargetClip
    from motiontransfer.pose.keypoints_file import read_detections
    from motiontransfer.video.clip import read_clip
    from motiontransfer.video.crop import picture_box
    from motiontransfer.video.isolation import run_isolated

    with TemporaryDirectory(prefix="motiontransfer-") as scratch:
        clip = TargetClip.whole(subject, video, masks=Path(scratch) / "masks.parquet")
        decoded = read_clip(layout.clip_folder(subject, video))
        people = read_detections(layout.detections_file(subject, video))
        levels = folder / layout.LEVELS_FILE
        rotate = 0 if film.parts[:1] == layout.RESULTS_FOLDER.parts else decoded.rotate
        picture = run_isolated(picture_box, film, rotate=rotate)
        scene, counts = fit_scene(clip, decoded.framing, people, levels, picture)
    arrays = scene._replace(rotate=np.array(rotate))._asdict()
    write_arrays(folder / layout.SCENE_FILE, arrays, description={})
    return counts
