"""Encode one transfer's videos: `python -m stages encode ada_as_ben`."""

from collections.abc import Iterable

from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.progress import track
from motiontransfer.core.storage import write_json
from motiontransfer.pose.keypoints import Keypoints, read_keypoints
from motiontransfer.provenance.signing import Content, load_credentials, signed_files
from motiontransfer.puppet.warping import Puppet
from motiontransfer.rendering.compositing import size_of_height, upsample_frames
from motiontransfer.rendering.rendered import RenderParams, read_rendered
from motiontransfer.rendering.videos import Panels, write_videos
from motiontransfer.video.clip import read_clip
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore, check_decodable

_CONTENT_OF_VIDEO: dict[str, Content] = {
    layout.TRANSFER_FILE: "trainedAlgorithmicMedia",
    layout.COMPARISON_FILE: "compositeWithTrainedAlgorithmicMedia",
}


def main(transfer: str) -> str:
    params = load_section(RenderParams, "render")
    names = load_section(Transfer, f"transfers.{transfer}")
    credentials = load_credentials() if params.provenance == "c2pa" else None
    if names.truth_path:
        check_decodable(names.truth_path)
    source = read_clip(layout.clip_folder(names.source_subject, names.source))
    poses = read_keypoints(layout.poses_file(transfer))
    rendered = read_rendered(layout.rendered_folder(transfer))
    panels = Panels(source=source.frames, poses=poses, truth=names.truth_path, style=rendered.style)
    results = layout.results_folder(transfer)
    with (
        FrameStore(layout.rendered_folder(transfer) / layout.FRAMES_FILE) as store,
        signed_files(results, _CONTENT_OF_VIDEO, rendered.assertion, credentials) as videos,
    ):
        size = size_of_height(store.size, rendered.full_size, height=params.height)
        frames: Iterable[Frame] = store.frames()
        if size != store.size:
            frames = _upsampled(frames, names.target, poses, size=size)
        write_videos(
            videos,
            track(frames, "encode", total=poses.num_frames),
            panels,
            source,
            contact_sheet_file=results / "contact_sheet.png",
            num_columns=params.contact_sheet_columns,
            crf=params.crf,
            visible_label=params.visible_label,
        )
    metrics = {"frames": poses.num_frames, "frames_per_second": float(poses.frame_rate)}
    metrics |= {"height": size[0], "width": size[1]}
    write_json(layout.metrics_file("encode", transfer), metrics)
    videos_made = " and ".join(_CONTENT_OF_VIDEO)
    return f"{poses.num_frames} frames in {videos_made}, and contact_sheet.png, in {results}"


def _upsampled(
    frames: Iterable[Frame], target: str, poses: Keypoints, *, size: tuple[int, int]
) -> Iterable[Frame]:
    from motiontransfer.models.weights import read_appearance  # loads PyTorch: seconds

    puppet = Puppet(read_appearance(layout.appearance_file(target)), poses.image_size)
    return upsample_frames(frames, puppet.follow(poses), size=size)
