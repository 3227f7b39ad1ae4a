"""Choices of networks in params.yaml, without PyTorch."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

Architecture = Literal["fast", "global", "local"]
PreviousFrame = Literal["generated", "none"]
TextureChoice = Literal["puppet", "none"]
Upsampling = Literal["transposed", "resize"]
CarriedFrame = Literal["generated", "corrected"]
NumDownsamplings = Annotated[int, Field(ge=1, le=8)]
NumResidualBlocks = Annotated[int, Field(ge=0, le=64)]
BackgroundChoice = Literal["plate", "generated"]

HAS_IMAGE: Mapping[BackgroundChoice, bool] = {"plate": True, "generated": False}
"""Whether the appearance's background image shows through the generator's alpha mask.

A viewport, a shadow network, a puppet and another room in the result need it.
"""
