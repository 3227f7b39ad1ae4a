"""Which vertex of MediaPipe's face mesh each named face joint is.

Hides the mesh's numbering (468 vertices, fixed by MediaPipe's canonical face model). The person's
right side has the mesh's low numbers; each pair below is mirror-symmetrical in the canonical model.
"""

_MIDLINE = {
    "face_chin": 152,
    "face_forehead": 10,
    "face_nose_bridge": 168,
    "face_nose_tip": 4,
    "face_upper_lip_top": 0,
    "face_upper_lip_bottom": 13,
    "face_lower_lip_top": 14,
    "face_lower_lip_bottom": 17,
}

# part of the name after `right_face_` and `left_face_`: (the person's right, the person's left)
_PAIRED = {
    "temple": (21, 251),
    "cheek": (234, 454),
    "jaw_upper": (58, 288),
    "jaw_middle": (136, 365),
    "jaw_lower": (149, 378),
    "brow_outer": (70, 300),
    "brow_middle": (105, 334),
    "brow_inner": (107, 336),
    "eye_outer": (33, 263),
    "eye_top": (159, 386),
    "eye_inner": (133, 362),
    "eye_bottom": (145, 374),
    "nostril": (98, 327),
    "mouth_corner": (61, 291),
    "upper_lip": (39, 269),
    "lower_lip": (181, 405),
}

FACE_MESH_JOINTS = tuple(f"face_mesh_{vertex}" for vertex in range(468))
"""Names of all vertices, for those who ask for the full mesh; they have no left and right."""

VERTEX_OF_JOINT: dict[str, int] = {
    **_MIDLINE,
    **{f"right_face_{part}": right for part, (right, _) in _PAIRED.items()},
    **{f"left_face_{part}": left for part, (_, left) in _PAIRED.items()},
    **{joint: vertex for vertex, joint in enumerate(FACE_MESH_JOINTS)},
}
