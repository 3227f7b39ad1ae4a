"""Lightning's Fabric, imported without torchmetrics and PyTorch's compiler.

lightning_fabric imports torchmetrics (and with it torchvision) to compare a version that matters
only to metrics, and the compiler to recognise compiled networks: half of a stage's start.
"""

import sys
from types import ModuleType


class _IsCompiled(type):
    def __instancecheck__(cls, instance: object) -> bool:
        compiler = sys.modules.get("torch._dynamo")  # imported by what compiles
        return compiler is not None and isinstance(instance, compiler.OptimizedModule)


_COMPILER = ModuleType("torch._dynamo")
_COMPILER.OptimizedModule = _IsCompiled("OptimizedModule", (), {})  # ty: ignore[missing-attribute]
_STAND_INS = {
    name: module
    for name, module in (("torchmetrics", None), ("torch._dynamo", _COMPILER))
    if name not in sys.modules  # None: the import raises ImportError
}
sys.modules.update(_STAND_INS)  # ty: ignore[no-matching-overload]

from lightning_fabric import Fabric  # noqa: E402

for _name in _STAND_INS:
    del sys.modules[_name]

__all__ = ["Fabric"]
