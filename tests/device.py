"""The device that tests of proxies, trainings and the engine compute on: ``AUTOSHRINK_TEST_DEVICE``, else the CPU."""

import os

import torch

from autoshrink.params.root import Compute
from autoshrink.runtime import devices

NAME = os.environ.get("AUTOSHRINK_TEST_DEVICE", "cpu")
assert NAME in ("cpu", "cuda"), f"AUTOSHRINK_TEST_DEVICE = {NAME!r}; accepted: cpu, cuda"
COMPUTE = Compute(device="cuda" if NAME == "cuda" else "cpu")
DEVICE = torch.device("cuda", 0) if NAME == "cuda" else torch.device("cpu")
if NAME == "cuda":
    devices.pick(COMPUTE)
