"""Embedding estimators for scikit-learn."""

from skemb._attributed_graph import AttributedGraphEmbedder
from skemb._bipartite import BipartiteEmbedder
from skemb._cooccurrence import CooccurrenceEmbedder
from skemb._graph import GraphEmbedder
from skemb._link_prediction import PairFeatures
from skemb._lookup import EmbeddingLookup
from skemb._text import TextEmbedder

__version__ = "0.1.0.dev0"

__all__ = [
    "AttributedGraphEmbedder",
    "BipartiteEmbedder",
    "CooccurrenceEmbedder",
    "EmbeddingLookup",
    "GraphEmbedder",
    "PairFeatures",
    "TextEmbedder",
]
