"""What films show of a dance, what is wrong with them, and what to film.

`coverage` has which frames show the parts in like poses. `key_poses` has the poses that no film
shows, `pose_advice` their words, `striking` whether a pose is struck. `quality`, `quality_plot` and
`photo_advice` have a film's and a photo's faults, with what to do.
"""
