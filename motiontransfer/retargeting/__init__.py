"""Retargeting: moving a source's poses into the target's image (Chan et al. 2019, sec. 3.1).

In order of reading: `statistics`, fitted on each subject; `normalization`, which maps poses from
one subject's to the other's; `limb_lengths` and `shapes` (of head and legs), the proportions that
it changes beyond the paper's translation and scale; `params`, the two sections of params.yaml;
`plot`.
"""
