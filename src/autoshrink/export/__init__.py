"""Export of trained models to ONNX, TorchScript and state dicts, checked against PyTorch, with a model card."""
