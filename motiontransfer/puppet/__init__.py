"""Puppet: a person drawn in any pose from body parts cut out of real frames (part-based warping).

In order of reading:
    appearance: reference frames cut into parts, and their file.
    sharpness, plot: sharpness of parts; from which sides each part was seen.

`fit`, from film to appearance:
    silhouette, part_masks, matting: which part each pixel shows, and how much of it.
    cutting, filling: the parts of one frame; occluders and hidden pixels by other frames.
    edges: the person beyond the film's edge.
    photo, closed_form: matte and room of a photo.
    fitting: all of these in turn.

`draw`, from appearance and poses to pixels:
    retrieval, occlusion: the reference of each part; which part hides which.
    steady: choice and change of references over a clip.
    part_maps, bending, canvas, warping: the parts drawn in a pose.

Glossary:
    part: segment of the body that moves rigidly in the image; a limb is mirrored, a trunk is not.
    bone: line between two joints along the middle of a part.
    radius, reach: half the width of a part, and how far hair and clothes go; radii are its unit.
    reference: training frame from which parts are cut.
    patch: pixels of a part, or of the person, cut out of a reference.
    coverage: share of a pixel that is the person, or a part.
    matte: coverage of each pixel of a photo by the person.
    hidden: share of a pixel of a part in which something in front hides it.
    occluder: object in front of the person that most references do not show.
    body scale: size of the body in a frame, relative to the clip's median.
    distance: how unlike a part is in a pose and in a reference, % of the body's height.
    seam: place where parts from different references meet.
    texture: the puppet as it is drawn: RGB and coverage.
"""
