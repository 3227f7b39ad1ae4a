"""Puppet: a person drawn in any pose from body parts cut out of real frames (part-based warping).

In order of reading: `parts`, the body's division; `appearance`, the reference frames cut into
parts; `segmentation`, where they show the person; `silhouette`, which part each of their pixels
shows; `background`, the scene without the person; `matting`, which tells by it how much of a pixel
is the person; `fitting`, which chooses the reference frames and cuts them; `warping`, which picks
one of them for each part of a pose and draws it there; `plot`, from which sides each part was seen.
"""
