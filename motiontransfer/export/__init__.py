"""Targets as ONNX files, and rendering with them without PyTorch."""
