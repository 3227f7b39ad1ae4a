"""Puppet: a person drawn in any pose from body parts cut out of real frames (part-based warping).

In order of reading: `parts`, the body's division; `background`, the scene without the person;
`appearance`, the reference frames cut into parts, and `fitting`, which chooses them; `puppet`,
which picks a reference for each part of a pose and warps it there.
"""
