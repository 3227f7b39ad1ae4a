"""One page with several transfers of one source, in sync: a dance and all who perform it."""

from collections.abc import Mapping
from pathlib import Path

from motiontransfer import layout
from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import Transfer
from motiontransfer.report.page import has_sound, make_panels, video_panel, write_page
from motiontransfer.report.tables import page_data
from motiontransfer.video.frame_store import FrameStore

_MAX_VIDEO_BYTES = 12_000_000


def write_transfers_page(path: Path, transfers: Mapping[str, Transfer]) -> None:
    """Write one HTML file with the source's video and the result of each transfer.

    Raises:
        ParamsError: they are fewer than two, or of different sources.
        MissingFileError: a video is not there.
    """
    sources = {(transfer.source_subject, transfer.source) for transfer in transfers.values()}
    if len(transfers) < 2 or len(sources) != 1:
        raise ParamsError(
            f"expected at least two transfers of one source, got {', '.join(transfers)} of "
            f"{', '.join(sorted(source for _, source in sources))}"
        )
    ((subject, source),) = sources
    frames = layout.frames_file(subject, source)
    with FrameStore(frames) as store:
        num_frames, rate = len(store), store.frame_rate
    results = {name: layout.results_folder(name) / layout.TRANSFER_FILE for name in transfers}
    for result in results.values():
        if not result.exists():
            raise MissingFileError(f"{result}: no such file; `dvc repro` makes it")
    shown = [
        video_panel("source", source, f"source video of {subject}", frames),
        *(
            video_panel(
                f"of_{name}", name, f"{transfers[name].target} performs it", result, verbatim=True
            )
            for name, result in results.items()
        ),
    ]
    panels, _ = make_panels(
        shown, frame_rate=rate, num_frames=num_frames, max_bytes=_MAX_VIDEO_BYTES
    )
    first = next(iter(results))
    content = {
        **{"title": f"{source}: {', '.join(transfers)}", "source": source, "panels": panels},
        **{"master": f"of_{first}", "hidden": frozenset(), "has_sound": has_sound(results[first])},
        "data": page_data([], num_frames=num_frames, frame_rate=rate),
    }
    write_page(path, "together.html", content)
