"""Do-as-I-do motion transfer, as a library.

These names are for notebooks and scripts: keypoint tables, pose normalization, pose maps and
rendering with trained networks. Each is imported lazily, so that `import motiontransfer` loads no
PyTorch (SPEC 1 of Scientific Python). The project's own code imports modules.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
