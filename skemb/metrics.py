"""Measures of embeddings and of what is ranked by them."""

from skemb._embedding_metrics import neighborhood_preservation, normalizer_error
from skemb._link_prediction import link_prediction_score
from skemb._ranking_metrics import (
    average_precision_at_k,
    make_ranking_scorer,
    ndcg_at_k,
    recall_at_k,
)

__all__ = [
    "average_precision_at_k",
    "link_prediction_score",
    "make_ranking_scorer",
    "ndcg_at_k",
    "neighborhood_preservation",
    "normalizer_error",
    "recall_at_k",
]
