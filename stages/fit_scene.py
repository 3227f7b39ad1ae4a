"""The dancer's film without the dancer: `python -m stages fit_scene ada_as_ben`."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.storage import replacing_folder, write_json
from motiontransfer.rendering.rendered import RenderParams
from stages.decode import DecodeEntry, video_file


def main(transfer: str) -> str:
    params = load_section(RenderParams, "render")
    names = load_section(Transfer, f"transfers.{transfer}")
    folder = layout.scene_folder(transfer)
    with replacing_folder(folder) as work:
        counts = _fit(transfer, names, params, work)
    write_json(layout.counts_file("fit_scene", transfer), counts)
    unsure = counts["frames_with_unsure_background"]
    lost = counts["frames_without_dancer"]
    told = f"; the room behind is not exact in {unsure} frames, as the camera moves" * bool(unsure)
    told += f"; {names.source_subject} is not found in {lost} frames, and stays there" * bool(lost)
    return f"{folder}: the film without {names.source_subject}{told}"


def _fit(transfer: str, names: Transfer, params: RenderParams, folder: Path) -> dict[str, float]:
    from motiontransfer.pose.keypoints import read_detections, read_keypoints, write_keypoints
    from motiontransfer.puppet.scene import write_scene
    from motiontransfer.puppet.scene_fitting import fit_scene
    from motiontransfer.puppet.target_clips import TargetClip
    from motiontransfer.retargeting.film_place import placed_in_film
    from motiontransfer.retargeting.statistics import read_statistics
    from motiontransfer.video.clip import picture_box, read_clip
    from motiontransfer.video.isolation import run_isolated

    subject, source = names.source_subject, names.source
    entry = load_section(
        DecodeEntry, f"videos.{source}", path=layout.video_params_file(source, "decode")
    )
    film = video_file(entry.path, f"videos.{source}.path")
    shutil.copyfile(film, folder / f"{layout.FILM_OF_SCENE}{film.suffix}")
    framing = read_clip(layout.clip_folder(subject, source)).framing
    file = layout.keypoints_file(subject, source)
    dance = read_keypoints(file)
    with TemporaryDirectory(prefix="motiontransfer-") as scratch:
        clip = TargetClip(
            name=source,
            frames=layout.frames_file(subject, source),
            keypoints=dance,
            keypoints_file=file,
            training=range(dance.num_frames),
            held_out=range(0),
            masks=Path(scratch) / "masks.parquet",
        )
        people = read_detections(layout.detections_file(subject, source))
        levels = folder / layout.LEVELS_FILE
        scene = fit_scene(clip, framing, people, levels, run_isolated(picture_box, film))
    write_scene(folder / layout.SCENE_FILE, scene)
    placed = placed_in_film(
        read_keypoints(layout.poses_file(transfer)),
        dance,
        framing,
        source=read_statistics(layout.statistics_file(subject)),
        target=read_statistics(layout.statistics_file(names.target)),
        stature=params.stature,
    )
    write_keypoints(folder / layout.POSES_IN_FILM_FILE, placed)
    return {
        "background_never_seen": float(scene.is_guessed.mean()),
        "frames_without_dancer": int((~dance.score.any(axis=1)).sum()),
        "frames_with_unsure_background": int((~scene.is_sure).sum()),
        "overlays": len(scene.places),
        "before_the_dancer": float((scene.before > 127).mean()),
    }
