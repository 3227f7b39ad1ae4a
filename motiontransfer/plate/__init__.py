"""The room without the person, and where films show the person before it.

In order of reading:
    target_clips, full_size: the films of a target; their frames read once more.
    segmentation, masks: where they show the person.
    background: the room, a masked temporal median, by
        overlays (captions, stickers), fusion (sharp frames) and inpainting (what no frame shows).
    camera: a moving camera's path over the room.
    shadow: what the person takes of the room's light.
    scene_fitting, scene: the dancer's film without the dancer.

Glossary:
    background image: scene without the person, a masked temporal median.
    overlay: sticker, caption or logo that keeps its place in the picture.
"""
