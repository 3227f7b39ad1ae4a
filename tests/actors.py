"""People of the demo in their rooms at 64 pixels; to make one takes seconds."""

from functools import cache

from demo.actors.renderer import load_actor


@cache
def actor(name):
    return load_actor.__wrapped__(name, (64, 64), 1)
