"""Image classification: from a cell to a network, its data, the proxy that judges it and its full training."""
