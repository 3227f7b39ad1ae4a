"""A guide to film oneself by for one dance: `python -m stages guide demo_dance`."""

from motiontransfer.core import layout
from motiontransfer.core.params import Pair, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.filming.key_poses import find_key_poses
from motiontransfer.pose.keypoints_file import read_keypoints, read_subject
from motiontransfer.rendering.guide import GuidePlan, write_guide, write_guide_sheet
from motiontransfer.video.clip import read_clip


def main(guide: str) -> str:
    names = load_section(Pair, f"guides.{guide}")
    clip = read_clip(layout.clip_folder(names.source_subject, names.source))
    dance = read_keypoints(layout.keypoints_file(names.source_subject, names.source))
    is_known = names.target != names.source_subject
    clips = read_subject(layout.keypoints_folder(names.target)) if is_known else {}
    filmed = [*clips.values()]
    poses = find_key_poses(dance, filmed)
    made = GuidePlan.of(dance, filmed, poses)
    folder = layout.guide_folder(guide)
    write_guide(folder / layout.GUIDE_FILE, made, dance, clip)
    write_guide_sheet(folder / layout.GUIDE_SHEET_FILE, made, dance, clip)
    counts = {
        "poses": len(poses.frames),
        "coverage_before": round(poses.coverage[0], 4),
        "coverage": round(poses.coverage[-1], 4),
    }
    write_json(folder / layout.GUIDE_COUNTS_FILE, counts)
    return made.summary(poses)
