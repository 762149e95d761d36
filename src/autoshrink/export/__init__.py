"""Models taken elsewhere: written as ONNX, TorchScript or a state dict, each checked against PyTorch, with a model card;
and used on a person's own images or text.
"""
