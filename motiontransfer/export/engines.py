"""Inference engines for ONNX files: ONNX Runtime and OpenVINO."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from motiontransfer.errors import MissingLibraryError

Engine = Literal["onnxruntime", "openvino", "openvino_bf16"]
"""The last one computes in bfloat16 where the processor does."""
Inputs = Mapping[str, Float32[np.ndarray, "_ _ _ _"]]
"""By name; those that a network does not have are ignored."""
Output = Float32[np.ndarray, "_ _ _ _"]
Network = Callable[[Inputs], Output]


def open_network(path: Path, *, engine: Engine = "onnxruntime", num_threads: int = 0) -> Network:
    """Load an ONNX file with one output.

    Args:
        num_threads: 0: the engine's own choice.

    Raises:
        MissingLibraryError: the engine is not installed.
    """
    library, _, precision = engine.partition("_")
    try:
        if library == "onnxruntime":
            return _onnxruntime(path, num_threads)
        return _openvino(path, num_threads, precision or "f32")
    except ImportError as error:
        raise MissingLibraryError(f"{library} is not installed: pip install {library}") from error


def _onnxruntime(path: Path, num_threads: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [it.name for it in session.get_inputs()]

    def run(inputs: Inputs) -> Output:
        output = session.run(None, {name: inputs[name] for name in names})[0]
        assert isinstance(output, np.ndarray)
        return output

    return run


def _openvino(path: Path, num_threads: int, precision: str) -> Network:
    from motiontransfer.pose.detectors.openvino_holistic import openvino_core

    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    hints["ENABLE_CPU_PINNING"] = False  # of several networks, or a core has two while one is idle
    if num_threads:
        hints["INFERENCE_NUM_THREADS"] = num_threads
    compiled = openvino_core().compile_model(path, "CPU", hints)
    names = [it.get_any_name() for it in compiled.inputs]
    # A copy, as the next run overwrites its output.
    return lambda inputs: compiled({name: inputs[name] for name in names})[0].copy()
