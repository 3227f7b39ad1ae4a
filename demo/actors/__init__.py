"""The demo's actors: bodies, clothes, dances, rooms, camera, light."""
