"""Score of an image candidate (paper, section 3)."""

import math

from autoshrink.params.objective import ImageObjective


def image_score(objective: ImageObjective, accuracy: float, macs: float) -> float:
    """Return accuracy - weight * (log10(MACs) - 6); accuracy in [0, 1], MACs of one image through the proxy network.

    Within a budget the weight is 0, and the score is accuracy alone.
    """
    return accuracy - objective.weight_of_macs * (math.log10(macs) - 6.0)
