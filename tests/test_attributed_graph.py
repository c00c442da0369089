"""Nodes with attributes: against the naive twin, new nodes, and cross-validation."""

import numpy as np
import pandas as pd
import pytest
import reference
import scipy.sparse as sp
from conftest import ZEROS
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline, make_union

from skemb import AttributedGraphEmbedder, EmbeddingLookup, GraphEmbedder
from skemb.metrics import link_prediction_score

pytestmark = pytest.mark.filterwarnings(ZEROS)


@pytest.fixture
def embedder():
    return AttributedGraphEmbedder(8, max_iter=15, random_state=0)


@pytest.fixture
def groups(rng):
    """A graph of three groups of 30, attributes that go with them, and the groups."""
    group = np.repeat(np.arange(3), 30)
    links = np.triu(
        rng.random((90, 90)) < np.where(group[:, None] == group, 0.08, 0.04)
    )
    A = sp.csr_array((links | links.T).astype(float))
    own = group[:, None] == np.repeat(np.arange(3), 5)
    F = sp.csr_array((rng.random((90, 15)) < np.where(own, 0.4, 0.1)).astype(float))
    return A, F, group


def test_scores_are_those_of_the_naive_twin(embedder, attributed_graph):
    embedder.set_params(n_gaussians=1000).fit(attributed_graph)
    X, Y = embedder.embedding_, embedder.context_embedding_
    prior = np.exp(embedder.log_prior_)
    dense = attributed_graph.toarray()
    P = reference.attributed_walk_matrix(dense[:, :50], dense[:, 50:], 2, 0.75)
    sums = P.sum(axis=0)
    np.testing.assert_allclose(prior, sums / sums.sum())

    def log_z(rows):
        return reference.log_partition(rows, Y, prior, 0.375)

    expected = -reference.row_losses(X, Y, P, prior, 0.375, log_z)
    found = embedder.score_samples(attributed_graph)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_without_attributes_it_is_a_graph_embedder(embedder, groups):
    A, _, _ = groups
    alone = embedder.fit(A)
    assert alone.context_embedding_.shape == (90, 8)
    F = sp.csr_array((90, 4))
    beside = clone(embedder).fit(sp.hstack([A, F]))
    np.testing.assert_allclose(beside.embedding_, alone.embedding_, atol=1e-12)


def test_scales_of_links_and_of_attributes_do_not_matter(embedder, groups):
    A, F, _ = groups
    expected = embedder.fit(sp.hstack([A, F])).embedding_
    scaled = clone(embedder).fit(sp.hstack([1e3 * A, 1e-3 * F])).embedding_
    np.testing.assert_allclose(scaled, expected, atol=1e-9)


def test_attributes_at_weight_zero_change_nothing(embedder, groups, rng):
    A, F, _ = groups
    embedder.set_params(attribute_weight=0)
    expected = embedder.fit(sp.hstack([A, F])).embedding_
    other = clone(embedder).fit(sp.hstack([A, F[rng.permutation(90)]])).embedding_
    np.testing.assert_allclose(other, expected, atol=1e-12)


def test_new_nodes_by_links_by_attributes_or_by_both(embedder, groups):
    A, F, group = groups
    old, new = np.arange(90) % 3 > 0, np.arange(90) % 3 == 0
    embedder.fit(sp.hstack([A[old][:, old], F[old]]))
    means = np.stack(
        [embedder.embedding_[group[old] == k].mean(axis=0) for k in range(3)]
    )
    links, attributes = A[new][:, old], F[new]
    rows = {
        "both": sp.hstack([links, attributes]),
        "links": sp.hstack([links, sp.csr_array(attributes.shape)]),
        "attributes": sp.hstack([sp.csr_array(links.shape), attributes]),
    }
    for name, X in rows.items():
        vectors = embedder.transform(X)
        known = X.sum(axis=1) > 0
        length = np.linalg.norm(vectors, axis=1)
        np.testing.assert_allclose(length, known, atol=1e-12)
        nearest = (vectors @ means.T).argmax(axis=1)
        # Chance is one third.
        assert (nearest == group[new])[known].mean() > 0.6, name


def test_what_nobody_had_in_fit_counts_for_nothing(embedder, attributed_graph, rng):
    embedder.fit(attributed_graph)
    # Attribute 3 is nobody's; node 7 has neither links nor attributes.
    rows = rng.poisson(0.3, (20, 59)).astype(float)
    rows[:, [7, 53]] = 0
    expected = embedder.transform(rows)
    rows[:, [7, 53]] = 5
    np.testing.assert_allclose(embedder.transform(rows), expected, atol=1e-12)
    alone = np.zeros((1, 59))
    alone[0, [7, 53]] = 1
    with pytest.warns(UserWarning, match="1 of the 1 rows"):
        assert not embedder.transform(alone).any()


def test_link_prediction_needs_nodes_as_contexts(embedder, groups):
    A, F, _ = groups
    X, pairs, is_edge = sp.hstack([A, F]), [[0, 1], [1, 2]], [0, 1]
    link_prediction_score(embedder.fit(X), pairs, is_edge)
    embedder.set_params(attribute_weight=1).fit(X)
    with pytest.raises(ValueError, match="lower its attribute_weight"):
        link_prediction_score(embedder, pairs, is_edge)


def test_tables_in_another_order_are_refused(embedder, groups):
    A, F, _ = groups
    names = [f"node {k}" for k in range(90)] + [f"word {k}" for k in range(15)]
    X = sp.hstack([A, F]).toarray()
    table = pd.DataFrame(X, index=names[:90], columns=names)
    np.testing.assert_allclose(
        clone(embedder).fit(table).embedding_, embedder.fit(X).embedding_, atol=1e-12
    )
    for refuses in (embedder, EmbeddingLookup(embedder, table[::-1])):
        with pytest.raises(ValueError, match="in one order"):
            refuses.fit(table[::-1])


def test_rows_of_fit_and_the_same_rows_as_new_ones(embedder, attributed_graph):
    embedder.fit(attributed_graph)
    for rows in ([3], [8, 7, 9], np.arange(50)):
        vectors = embedder.transform(attributed_graph[rows])
        np.testing.assert_allclose(vectors, embedder.embedding_[rows], atol=1e-12)


def test_both_sources_beat_either(groups):
    A, F, group = groups
    scores = {}
    for name, weight in (("graph", 0.0), ("attributes", 1.0), ("both", 0.75)):
        length = 1 if name == "attributes" else 3
        embedder = AttributedGraphEmbedder(
            16, attribute_weight=weight, walk_length=length, random_state=0
        )
        vectors = embedder.fit_transform(sp.hstack([A, F]))
        scores[name] = cross_val_score(LogisticRegression(C=10), vectors, group).mean()
    assert scores["both"] > max(scores["graph"], scores["attributes"])


def test_lookups_carry_attributes_through_cross_validation(embedder, groups):
    A, F, group = groups
    X, ids = sp.hstack([A, F]), np.array([f"node {k}" for k in range(90)])[:, None]
    lookup = EmbeddingLookup(embedder, X, ids.ravel())
    model = make_pipeline(lookup, LogisticRegression(C=10))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    found = cross_val_score(model, ids, group, cv=folds, scoring="neg_log_loss")
    expected = []
    for train, test in folds.split(ids, group):
        known = clone(embedder).fit(sp.hstack([A[train][:, train], F[train]]))
        classifier = LogisticRegression(C=10).fit(known.embedding_, group[train])
        vectors = known.transform(sp.hstack([A[test][:, train], F[test]]))
        probability = classifier.predict_proba(vectors)[np.arange(30), group[test]]
        expected.append(np.log(probability).mean())
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    grid = {"embeddinglookup__embedder__attribute_weight": [0.0, 0.5, 0.75]}
    search = GridSearchCV(model, grid, cv=folds).fit(ids, group)
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    # Two scales kept apart, as MUSAE keeps them.
    near = EmbeddingLookup(clone(embedder).set_params(walk_length=1), X, ids.ravel())
    scales = make_union(near, lookup).fit(ids)
    assert scales.transform(ids).shape == (90, 16)


def test_new_ids_of_a_lookup_from_attributes_alone(embedder, groups):
    A, F, _ = groups
    lookup = EmbeddingLookup(embedder, sp.hstack([A, F]))
    lookup.fit(np.arange(60)[:, None])
    row = sp.hstack([sp.csr_array((1, 90)), F[:1]])
    vector = lookup.extend(row, ["new"]).transform([["new"]])
    known = sp.hstack([sp.csr_array((1, 60)), F[:1]])
    np.testing.assert_allclose(vector, lookup.embedder_.transform(known), atol=1e-12)
    assert vector.any()


def test_bad_input(embedder, groups):
    A, F, group = groups
    with pytest.raises(ValueError, match=r"hstack\(\[affinity, attributes\]\)"):
        embedder.fit(F)
    with pytest.raises(ValueError, match=r"Negative .*Embedder: .*KBinsDisc.*OneHot"):
        embedder.fit(sp.hstack([A, -F]))
    with pytest.raises(ValueError, match=r"Negative values .*KBinsDiscretizer"):
        embedder.fit(sp.hstack([A, F])).transform(sp.hstack([A, -F]))
    with pytest.raises(ValueError, match="expecting 105 features"):
        embedder.transform(A)
    with pytest.raises(ValueError, match="attribute_weight"):
        clone(embedder).set_params(attribute_weight=1.5).fit(A)
    with pytest.raises(ValueError, match="square kernel matrix"):
        cross_val_score(
            make_pipeline(embedder, LogisticRegression()),
            sp.csr_array(sp.hstack([A, F])),
            group,
            error_score="raise",
        )
    with pytest.raises(ValueError, match="square affinity matrix"):
        EmbeddingLookup(GraphEmbedder(8), sp.hstack([A, F])).fit([[0], [1], [2]])
