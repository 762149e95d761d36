"""A network's shapes alone: a copy on the ``meta`` device, where nothing is computed."""

import copy

from torch import nn


def shapes_of(module: nn.Module) -> nn.Module:
    """Return a copy of ``module`` on the ``meta`` device in evaluation mode; ``module`` is left as it is.

    Weights that are on that device already are shared, since nothing can change them.
    """
    shared = {id(weight): weight for weight in [*module.parameters(), *module.buffers()] if weight.is_meta}
    return copy.deepcopy(module, dict(shared)).to("meta").eval()
