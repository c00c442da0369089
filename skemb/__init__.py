"""Embedding estimators for scikit-learn."""

from skemb._bipartite import BipartiteEmbedder
from skemb._graph import GraphEmbedder

__version__ = "0.1.0.dev0"

__all__ = ["BipartiteEmbedder", "GraphEmbedder"]
