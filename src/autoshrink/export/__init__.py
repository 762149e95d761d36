"""Models taken elsewhere: as ONNX, TorchScript or a state dict, checked against PyTorch, with a model card; and used on
a person's own images or text.
"""
