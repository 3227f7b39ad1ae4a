"""Person masks of a target: `python -m stages segment_person ada`."""

from motiontransfer.core import layout
from motiontransfer.core.storage import write_json
from motiontransfer.plate.masks import write_masks
from motiontransfer.plate.segmentation import clip_masks
from motiontransfer.plate.target_clips import NOTHING_HELD_OUT, read_target_clips


def main(target: str) -> str:
    num_masks = num_drawn = 0
    for clip in read_target_clips(target, NOTHING_HELD_OUT):
        masks = clip_masks(clip)
        write_masks(clip.masks_file, masks)
        num_masks += len(masks.masks)
        num_drawn += int(masks.is_drawn.sum())
    counts = {"masks": num_masks, "drawn_around_joints": num_drawn}
    write_json(layout.counts_file("segment_person", target), counts)
    return f"{num_masks} masks, {num_drawn} of them drawn around the joints"
