"""Preview of one transfer before any training: `python -m stages preview ada_as_ben`."""

from motiontransfer.core import layout
from motiontransfer.core.params import Compute, SplitParams, Transfer, load_section
from motiontransfer.core.progress import track
from motiontransfer.plate.target_clips import HeldOut, read_target_clips
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.provenance.signing import Content, load_credentials, signed_files
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering.compositing import puppet_frames, with_label, without_mask
from motiontransfer.rendering.rendered import RenderParams, transfer_assertion
from motiontransfer.rendering.scene import (
    DancersFilm,
    film_size,
    is_in_film,
    place_of,
    puppet_in_film,
    with_scene,
)
from motiontransfer.rendering.videos import result_writer
from motiontransfer.video.clip import read_clip
from motiontransfer.video.geometry import fit_framing

_HEIGHT = 540  # pixels, at most
_CRF = 20
# Fifteen frames of two dances look like those by 120 references of 120 frames, which take seven
# times the CPU time.
_NUM_REFERENCES = 24
_NUM_BACKGROUND_FRAMES = 40
_CONTENTS: dict[str, Content] = {layout.PREVIEW_FILE: "compositeWithTrainedAlgorithmicMedia"}


def main(transfer: str) -> str:
    """Show all poses by the puppet of few references, with the source's sound."""
    params = load_section(RenderParams, "render")
    names = load_section(Transfer, f"transfers.{transfer}")
    credentials = load_credentials() if params.provenance == "c2pa" else None
    source = read_clip(layout.clip_folder(names.source_subject, names.source))
    poses = read_keypoints(layout.poses_file(transfer))
    appearance = _sketched(names.target)
    in_film = is_in_film(transfer)
    height, width = film_size(source) if in_film else appearance.background.shape[:2]
    framing = fit_framing((height, width), (0, 0, width, height), size=min(height, _HEIGHT))
    film_file = None
    if in_film:
        film = DancersFilm(layout.scene_folder(names.source), source, size=framing.size)
        film_file = film.path
        poses = place_of(transfer).placed(poses)
        shown = puppet_in_film(appearance, film, poses, match_light=params.match_light)
        drawn = (frame for frame, _ in shown)
    else:
        puppet = Puppet(appearance, poses.image_size)
        drawn = puppet_frames(puppet, poses, size=framing.size)
    frames = map(without_mask, drawn)
    if params.visible_label == "corner":
        frames = map(with_label, frames)
    keypoints = layout.keypoints_file(names.source_subject, names.source)
    assertion = transfer_assertion({}, {"frames": source.frames, "keypoints": keypoints})
    assertion = with_scene(assertion, transfer)
    results = layout.results_folder(transfer)
    with (
        signed_files(results, _CONTENTS, assertion, credentials, film_file) as folder,
        result_writer(folder / layout.PREVIEW_FILE, source, crf=_CRF) as write,
    ):
        for frame in track(frames, "preview", total=poses.num_frames):
            write(frame)
    return f"{results / layout.PREVIEW_FILE}: the person cut out and moved, no network yet"


def _sketched(target: str) -> Appearance:
    """A target by few references, in the size of the preview."""
    from motiontransfer.plate.full_size import FullSizeFrames
    from motiontransfer.puppet.fit.fitting import fit_target  # SciPy: not where params are checked

    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    with FullSizeFrames(read_target_clips(target, held_out), most_rows=_HEIGHT) as frames:
        return fit_target(
            frames,
            num_references=_NUM_REFERENCES,
            num_frames=_NUM_BACKGROUND_FRAMES,
            num_workers=load_section(Compute, "compute").num_workers,
        )[0]
