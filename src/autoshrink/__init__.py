"""AutoShrink: discover efficient neural architectures by shrinking the edges of a cell's DAG.

After Zhang et al., "AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture",
AAAI 2020 (arXiv 1911.09251).
"""

__version__ = "0.1.0"
