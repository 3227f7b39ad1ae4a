"""Appearance of a target: `python -m stages fit_appearance ada`."""

import numpy as np
from pydantic import Field

from motiontransfer.core import layout
from motiontransfer.core.parallel import in_thread
from motiontransfer.core.params import Compute, Section, SplitParams, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import HeldOut, read_target_clips
from motiontransfer.puppet.appearance_file import write_appearance


class FitAppearanceParams(Section):
    references: int = Field(ge=1)
    """Frames from which body parts are taken."""


def main(target: str) -> str:
    # Matplotlib and SciPy: not where params are checked
    from motiontransfer.puppet.fit.fitting import fit_target
    from motiontransfer.puppet.plot import plot_appearance

    params = load_section(FitAppearanceParams, "fit_appearance")
    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    with FullSizeFrames(read_target_clips(target, held_out)) as frames:
        appearance, background = fit_target(
            frames,
            num_references=params.references,
            num_workers=load_section(Compute, "compute").num_workers,
        )
    file = layout.appearance_file(target)
    plot = file.with_suffix(".png")
    with in_thread(write_appearance) as write:
        write(file, appearance)
        plot_appearance(plot, appearance, background.is_filled, title=target)
    seen = np.array([[patch is not None for patch in patches] for patches in appearance.patches])
    write_json(
        layout.counts_file("fit_appearance", target),
        {
            "references": len(seen),
            "parts": seen.shape[1],
            "parts_not_cut": int((~seen).sum()),
            "background_never_seen": float(background.is_filled.mean()),
        },
    )
    staying = [overlay.stays for overlay in background.overlays]
    over = (
        f"; before the person lie captions or stickers that stay there: {sum(staying)}, that go: "
    )
    over = f"{over}{len(staying) - sum(staying)}" if staying else ""
    return f"{plot} shows from which side each body part was seen{over}"
