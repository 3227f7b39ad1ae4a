"""One skeleton of constant bone lengths in every frame of a film.

`skeleton` has bones, joints and their projection. `sides` chooses left and right and where the body
faces. `fit` finds lengths and directions. `motion` is what it finds, and its file.
`parts` divides the body into segments that move rigidly in the image.
"""
