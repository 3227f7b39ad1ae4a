"""Who is in the demo, and where: two people who differ in all that pose transfer must bridge."""

from motiontransfer.actors.camera import Camera
from motiontransfer.actors.outfit import Outfit
from motiontransfer.actors.stage_set import Room

PHENOTYPES = {
    "ada": {
        **{"gender": 1.0, "age": 0.62, "muscle": 0.5, "weight": 0.42, "height": 0.45},
        **{"proportions": 0.8, "cupsize": 0.45, "firmness": 0.7},
        **{"caucasian": 1.0, "asian": 0.0, "african": 0.0},
    },
    "ben": {
        **{"gender": 0.0, "age": 0.68, "muscle": 0.62, "weight": 0.62, "height": 0.42},
        **{"proportions": 0.5, "caucasian": 0.0, "asian": 0.0, "african": 1.0},
    },
}
"""Anny's phenotype parameters of each actor."""

OUTFITS = {
    "ada": Outfit(
        skin=(232, 184, 156),
        lips=(178, 62, 72),
        brows=(58, 34, 22),
        iris=(70, 92, 80),
        hair=(96, 52, 28),
        hair_style="bob",
        brow_width_mm=2.9,
        shirt=(32, 116, 138),
        shirt_band=(236, 232, 218),
        sleeve_end=0.72,
        collar_drop=0.02,
        trousers=(44, 50, 78),
        shoes=(214, 70, 52),
        soles=(240, 238, 232),
        looseness=0.010,
    ),
    "ben": Outfit(
        skin=(176, 122, 88),
        lips=(136, 62, 58),
        brows=(24, 16, 12),
        iris=(46, 28, 18),
        hair=(30, 24, 22),
        hair_style="cropped",
        brow_width_mm=3.8,
        shirt=(222, 158, 44),
        shirt_band=(222, 158, 44),
        sleeve_end=1.95,
        collar_drop=0.0,
        trousers=(92, 96, 100),
        shoes=(44, 36, 34),
        soles=(226, 222, 214),
        looseness=0.014,
    ),
}
"""What each actor wears."""

ROOMS = {
    "ada": Room(
        camera=Camera(position=(0.0, 1.15, 5.6), target=(0.0, 0.95, 0.0), focal_length=2.28),
        light=(0.75, 1.25, 0.9),
        key=1.05,
        sky=0.52,
        wall_depth=2.0,
        wall=(158, 184, 178),
        floor=(172, 128, 88),
        floor_pattern="planks",
        furniture="picture_and_plant",
        home=(0.0, 0.0),
    ),
    "ben": Room(
        camera=Camera(position=(-0.5, 1.55, 7.4), target=(-0.1, 0.95, 0.0), focal_length=2.4),
        light=(-0.8, 1.3, 1.0),
        key=1.1,
        sky=0.60,
        wall_depth=2.2,
        wall=(128, 148, 168),
        floor=(196, 190, 178),
        floor_pattern="tiles",
        furniture="shelf_and_lamp",
        home=(-0.5, 0.0),
    ),
}
"""Where each actor is filmed."""
