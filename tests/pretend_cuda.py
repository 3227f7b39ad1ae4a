"""A pretended GPU: tensors that say `cuda:0` and keep CUDA's rules, computed by the CPU.

A tensor is on the GPU if its storage is marked so. A mode of torch's functions answers what Python
asks of such tensors and does their copies; below it, a mode of torch's dispatcher sees every
operator, of backward passes too: it marks results, counts kernels, and refuses what CUDA refuses:
operators that mix the devices, `numpy()` of a tensor on the GPU, and devices other than the one.

Not seen: CUDA's own kernels, which round differently; copies that have not arrived; memory; NCCL;
`torch.compile` and the ONNX exporter, which ask the driver. Autocast casts what it casts on a CPU,
but leaves padding alone, as on CUDA.
"""

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from motiontransfer.core.device import choose_accelerator

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
_MEMORY = 80 << 30
_ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


class Gpu:
    """What the pretended GPU was asked to do."""

    def __init__(self):
        self.kernels = Counter()
        """Launches by operator; views and allocations are none."""


@contextmanager
def pretend_cuda(*, capability=(9, 0)):
    """One GPU for all threads that start in the block; yields its `Gpu`."""
    gpu, run = Gpu(), threading.Thread.run
    autocast = torch.autocast

    class Stream:
        """On which everything is done at once."""

        def record_event(self):
            return self

        def synchronize(self):
            pass

        def is_capturing(self):
            return False

    def run_with_modes(thread):
        with _modes(gpu):
            run(thread)

    constants = {
        **{"is_available": True, "is_initialized": True, "device_count": 1, "current_device": 0},
        **{"get_device_name": "pretended", "get_device_capability": capability},
        **{"get_arch_list": ["sm_75", "compute_75"], "mem_get_info": (_MEMORY, _MEMORY)},
        **{"is_bf16_supported": capability >= (8, 0)},
        **{"set_device": None, "empty_cache": None, "manual_seed_all": None},
    }
    functions = {name: lambda *_, value=value, **__: value for name, value in constants.items()}
    functions |= {"current_stream": lambda *_: Stream(), "synchronize": lambda _=None: None}
    choose_accelerator.cache_clear()
    try:
        with ExitStack() as stack:
            stack.enter_context(mock.patch.multiple(torch.cuda, **functions))
            current_stream = functions["current_stream"]
            stack.enter_context(
                mock.patch.object(torch.accelerator, "current_stream", current_stream)
            )
            on_cpu = lambda _, *args, **kwargs: autocast("cpu", *args, **kwargs)  # noqa: E731
            stack.enter_context(mock.patch.object(torch, "autocast", on_cpu))
            stack.enter_context(mock.patch.object(threading.Thread, "run", run_with_modes))
            stack.enter_context(_modes(gpu))
            yield gpu
    finally:
        choose_accelerator.cache_clear()


def is_on_gpu(tensor):
    return _has(tensor, "on_gpu")


@contextmanager
def _modes(gpu):
    with _Operators(gpu) as operators, _Functions(operators):
        yield


class _Operators(TorchDispatchMode):
    def __init__(self, gpu):
        super().__init__()
        self.gpu = gpu
        self.allocates_on_gpu = False
        """Where a function that is being called makes tensors from nothing."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            composite = DispatchKey.CompositeImplicitAutograd
            # In inference mode these arrive whole.
            if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), composite):
                with self:
                    return func._op_dk(composite, *args, **kwargs)  # not as other compilers do
            tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
            on_gpu = [is_on_gpu(tensor) for tensor in tensors]
            name = func.overloadpacket.__name__
            if name == "copy_":  # from either device
                return func(*args, **kwargs)
            if any(on_gpu):
                self._check(func, name, args, tensors, on_gpu)
            result = func(*args, **kwargs)
            if any(on_gpu) or (not tensors and self.allocates_on_gpu):
                if not func.is_view and name not in _ALLOCATIONS:
                    self.gpu.kernels[name] += 1
                _mark(result, "on_gpu")
            return result

    def _check(self, func, name, args, tensors, on_gpu):
        off = [tensor for tensor, is_on in zip(tensors, on_gpu, strict=True) if not is_on]
        if name in _INDEXING:
            indices = [index for index in args[1] if index is not None]
            off = [tensor for tensor in off if not any(tensor is index for index in indices)]
        is_first_off = bool(off) and off[0] is tensors[0]
        if torch.Tag.pointwise in func.tags and not (is_first_off and func._schema.is_mutable):
            off = [tensor for tensor in off if tensor.dim()]  # numbers may be anywhere
        if off:
            where = [("cuda" if is_on_gpu(each) else "cpu", *each.shape) for each in tensors]
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but {func} got {where}"
            )


class _Functions(TorchFunctionMode):
    def __init__(self, operators):
        super().__init__()
        self.operators = operators

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensor = args[0] if args and isinstance(args[0], Tensor) else None
        if func in _OF_ANY_TENSOR:
            return _OF_ANY_TENSOR[func](self, *args, **kwargs)
        if func in _OF_GPU_TENSOR and tensor is not None and is_on_gpu(tensor):
            return _OF_GPU_TENSOR[func](self, *args, **kwargs)
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        goes_to_gpu = any(map(is_on_gpu, inputs))
        if kwargs.get("device") is not None:
            goes_to_gpu = _is_gpu(kwargs["device"])
            kwargs["device"] = CPU
        if func in (torch.tensor, torch.as_tensor) and not goes_to_gpu:
            return func(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and not (tensor is not None and goes_to_gpu):
            return self._to(func(*args, **kwargs), CUDA)
        before, self.operators.allocates_on_gpu = self.operators.allocates_on_gpu, goes_to_gpu
        try:
            if func is functional.pad:
                with torch.autocast("cpu", enabled=False):
                    return func(*args, **kwargs)
            return func(*args, **kwargs)
        finally:
            self.operators.allocates_on_gpu = before

    def _to(self, tensor, *args, copy=False, **kwargs):
        if args and isinstance(args[0], Tensor):
            other, *args = args
            args = (_device(self, other), other.dtype, *args)
        device, dtype, _, memory_format = torch._C._nn._parse_to(*args, **kwargs)
        options = {"memory_format": memory_format or torch.preserve_format}
        here, there = is_on_gpu(tensor), device is not None and _is_gpu(device)
        if device is None or here == there:
            return tensor.to(dtype=dtype or tensor.dtype, copy=copy, **options)
        with _disable_current_modes():
            values = tensor.to(dtype=dtype or tensor.dtype, copy=True, **options)
            return _mark(values, "on_gpu") if there else values

    def _cuda(self, tensor, device=CUDA, non_blocking=False):
        return self._to(tensor, device, non_blocking=non_blocking)

    def _tolist(self, tensor):
        with _disable_current_modes():
            return tensor.tolist()

    def _numpy(self, tensor, *_, **__):
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the "
            "tensor to host memory first."
        )

    def _pin_memory(self, tensor):
        if is_on_gpu(tensor):
            raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be")
        with _disable_current_modes():
            return _mark(tensor.clone(), "pinned")


def _device(_, tensor):
    return CUDA if is_on_gpu(tensor) else Tensor.device.__get__(tensor)


_OF_ANY_TENSOR = {
    Tensor.device.__get__: _device,
    Tensor.is_cuda.__get__: lambda _, tensor: is_on_gpu(tensor),
    Tensor.is_cpu.__get__: lambda _, tensor: not is_on_gpu(tensor),
    Tensor.to: _Functions._to,
    Tensor.cuda: _Functions._cuda,
    Tensor.pin_memory: _Functions._pin_memory,
    Tensor.is_pinned: lambda _, tensor: _has(tensor, "pinned"),
}
_OF_GPU_TENSOR = {
    Tensor.cpu: lambda functions, tensor: functions._to(tensor, CPU),
    Tensor.tolist: _Functions._tolist,
    Tensor.numpy: _Functions._numpy,
    Tensor.__array__: _Functions._numpy,
}


def _is_gpu(device):
    device = torch.device(device)
    if device.type == "cuda" and device.index not in (None, 0):
        raise RuntimeError(f"CUDA error: invalid device ordinal: {device}")
    return device.type == "cuda"


def _has(tensor, mark):
    # A storage's Python object lives as long as the storage, whatever tensors view it.
    with torch._C.DisableTorchFunction():
        return getattr(tensor.untyped_storage(), mark, False)


def _mark(tree, mark):
    with torch._C.DisableTorchFunction():
        for tensor in tree_leaves(tree):
            if isinstance(tensor, Tensor):
                setattr(tensor.untyped_storage(), mark, True)
    return tree
