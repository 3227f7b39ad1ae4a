"""Retargeting: moving a source's poses into the target's image (Chan et al. 2019, sec. 3.1).

In order of reading:

- `statistics`, fitted on each subject;
- `normalization`, which maps poses from one subject's to the other's, and gives limbs the other's
  lengths;
- `shapes`, of head and legs, which it changes too;
- `unfilmed_sides`, which turns to the camera what a target's films do not show, and `head_views` of
  its head;
- `params`, the two sections of params.yaml.

Everywhere here joints with a lower score than `min_score` count as missing. `heights_px` are the
apparent heights standing upright in each frame. `proportions` are the lengths of the body's parts,
shares of its height.
"""
