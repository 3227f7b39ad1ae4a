"""Lightning's Fabric, imported without torchmetrics.

lightning_fabric imports torchmetrics, and with it torchvision and PyTorch's compiler, to compare a
version that matters only to metrics: a fifth of a training stage's start.
"""

import sys

_is_imported = "torchmetrics" in sys.modules
if not _is_imported:
    sys.modules["torchmetrics"] = None  # ty: ignore[invalid-assignment] - import raises ImportError

from lightning_fabric import Fabric  # noqa: E402

if not _is_imported:
    del sys.modules["torchmetrics"]

__all__ = ["Fabric"]
