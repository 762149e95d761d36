"""Example code for the model card, by task and format.

The tests run every one of them.
"""

from autoshrink.inference.models import Trained
from autoshrink.params.base import Task

_ONNX = {
    Task.CNN: """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
pixels = np.zeros((1, {channels}, {height}, {width}), np.float32)  # images, each value in [0, 1]
(logits,) = session.run(None, {{"pixels": pixels}})
print(logits.argmax(1))  # the class of each image; their names are in session.get_modelmeta()""",
    Task.RNN: """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
tokens = np.zeros((5, 1), np.int64)  # 5 time steps of 1 text; the words' numbers are in session.get_modelmeta()
state = np.zeros((1, {hidden}), np.float32)  # before the first word
logits, state = session.run(None, {{"tokens": tokens, "state": state}})
print(logits[-1].argmax(1))  # the likeliest next word; hand the state to the next call""",
}

_TORCHSCRIPT = {
    Task.CNN: """\
import torch

model = torch.jit.load("{file}")
pixels = torch.zeros(1, {channels}, {height}, {width})  # images, each value in [0, 1]
print(model(pixels).argmax(1))  # the class of each image""",
    Task.RNN: """\
import torch

model = torch.jit.load("{file}")
tokens, state = torch.zeros(5, 1, dtype=torch.long), torch.zeros(1, {hidden})  # 5 time steps of 1 text
logits, state = model(tokens, state)
print(logits[-1].argmax(1))  # the likeliest next word; hand the state to the next call""",
}

_STATE_DICT = {
    Task.CNN: """\
import torch
from autoshrink import load_model

model = load_model(".")  # this folder: model.json says what the weights in {file} are of
images = torch.zeros(1, {channels}, {height}, {width})  # (pixels - mean) / deviation, both in model.json
print(model(images).argmax(1))""",
    Task.RNN: """\
import torch
from autoshrink import load_model

model = load_model(".")  # this folder: model.json says what the weights in {file} are of
logits, state = model(torch.zeros(5, 1, dtype=torch.long), model.initial_state(1))
print(logits[-1].argmax(1))  # the likeliest next word""",
}

_EXAMPLES = {"onnx": _ONNX, "torchscript": _TORCHSCRIPT, "state-dict": _STATE_DICT}


def example(trained: Trained, format: str, file: str) -> str:
    """Return the example for one format as fenced Markdown; ``file`` is the exported file's name."""
    facts = trained.description
    if trained.task is Task.CNN:
        height, width = facts["image_size"]
        sizes = {"channels": facts["channels"], "height": height, "width": width}
    else:
        sizes = {"hidden": facts["network"]["hidden"]}
    return f"```python\n{_EXAMPLES[format][trained.task].format(file=file, **sizes)}\n```"
