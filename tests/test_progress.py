"""Callbacks where scikit-learn has them; what is printed where it does not."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import KINDS, ZEROS, learned
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skemb import GraphEmbedder

pytestmark = pytest.mark.filterwarnings(ZEROS)


class Listener:
    """A callback that keeps what it hears, and stops after ``n_epochs``."""

    def __init__(self, n_epochs=None):
        self.n_epochs = n_epochs
        self.heard = []
        self.estimators = []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.heard.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.heard.append(f"end {context.task_name}")
        if context.task_name in ("epoch", "fit"):
            self.estimators.append(fitted_estimator)
        return context.task_name == "epoch" and len(self.estimators) == self.n_epochs


@pytest.fixture
def callback_module():
    return pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")


def test_callbacks_hear_every_epoch(embedder, kind, X, callback_module, monkeypatch):
    monkeypatch.setattr("skemb._corpus._PART", 20)
    listener = Listener()
    embedder.set_params(max_iter=3).set_callbacks(listener).fit(X)
    tasks = 3 * ["begin epoch", "end epoch"]
    if kind == "text":
        parts = 3 * ["begin part of reading", "end part of reading"]
        reading = ["begin reading", *parts, "end reading"]
        tasks = [*reading, "begin counting", "end counting", *tasks]
    assert listener.heard == ["setup", "begin fit", *tasks, "end fit", "teardown"]


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [(kind, {}) for kind in KINDS]
    + [("graph", {"walk_length": 1}), ("two-sided graph", {"walk_length": 1})],
)
def test_callbacks_see_the_embedder_as_of_their_epoch(embedder, X, callback_module):
    listener = Listener()
    embedder.set_params(n_gaussians=5, max_iter=6)
    expected = learned(embedder.fit(X), X)
    # Looking on does not change what is learned,
    assert learned(embedder.set_callbacks(listener).fit(X), X) == expected
    # and what was seen stays as it was while training goes on.
    *epochs, last = listener.estimators
    losses = [seen.loss_curve_.tolist() for seen in epochs]
    assert losses == [embedder.loss_curve_[: k + 1].tolist() for k in range(6)]
    assert learned(last, X) == expected
    for k, seen in enumerate(epochs):
        stopped = clone(embedder).set_callbacks(Listener(n_epochs=k + 1)).fit(X)
        assert learned(seen, X) == learned(stopped, X)
    assert np.abs(epochs[1].transform(X) - epochs[2].transform(X)).max() > 1e-3


def test_a_callback_stops_training(embedder, X, callback_module):
    listener = Listener(n_epochs=2)
    embedder.set_callbacks(listener).fit(X)
    assert embedder.n_iter_ == len(embedder.loss_curve_) == 2
    assert listener.heard[-1] == "teardown"
    assert np.isfinite(embedder.transform(X)).all()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_callbacks_see_the_width_and_names_of_this_fit(graph, callback_module):
    small = pd.DataFrame(np.ones((5, 5)), columns=list("abcde"))
    listener = Listener()
    embedder = GraphEmbedder(4, max_iter=2, random_state=0).set_callbacks(listener)
    for X in (small, graph, small[list("edcba")]):
        listener.estimators.clear()
        embedder.fit(X)
        assert len(listener.estimators) == 3
        for seen in listener.estimators:
            assert seen.n_features_in_ == X.shape[1]
            names = getattr(seen, "feature_names_in_", None)
            assert (names is None) == (X is graph)
            np.testing.assert_array_equal(seen.transform(X), seen.embedding_)
            with pytest.raises(ValueError, match="expecting"):
                seen.transform(np.ones((1, 7)))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("fitted_before", [True, False])
def test_an_error_in_a_callback_leaves_the_embedder(
    graph, callback_module, fitted_before
):
    class FailingAtEnd(Listener):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if context.task_name == "fit":
                raise RuntimeError("at the very end")

    embedder = GraphEmbedder(4, max_iter=2, random_state=0)
    if fitted_before:
        embedder.fit(pd.DataFrame(np.ones((5, 5)), columns=list("abcde")))
    before = dict(vars(embedder))
    embedder.set_callbacks(FailingAtEnd())
    with pytest.raises(RuntimeError, match="at the very end"):
        embedder.fit(graph)
    embedder.set_callbacks()
    assert dict(vars(embedder)) == before


def test_callbacks_are_torn_down_after_an_error(graph, callback_module):
    class Failing(Listener):
        def on_fit_task_begin(self, estimator, context):
            super().on_fit_task_begin(estimator, context)
            if context.task_name == "epoch":
                raise RuntimeError("stop here")

    listener = Failing()
    with pytest.raises(RuntimeError, match="stop here"):
        GraphEmbedder(4).set_callbacks(listener).fit(graph)
    assert listener.heard[-1] == "teardown"


@pytest.mark.filterwarnings("ignore:.*does not support callbacks")
def test_progress_bar_in_a_pipeline(embedder, X, callback_module, capsys):
    pytest.importorskip("rich")
    model = make_pipeline(embedder, StandardScaler())
    model.set_callbacks(callback_module.ProgressBar())
    model.fit(X)
    assert type(embedder).__name__ in capsys.readouterr().out


def test_silent_by_default(embedder, X, capsys):
    embedder.fit(X).transform(X)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_verbose_prints_epoch_loss_and_seconds(embedder, kind, X, capsys):
    embedder.set_params(max_iter=3, verbose=1).fit(X)
    *others, _, _, _ = lines = capsys.readouterr().out.splitlines()
    assert len(others) == (2 if kind == "text" else 0)  # what was read and counted
    for k, line in enumerate(lines[-3:]):
        name = type(embedder).__name__
        pattern = rf"\[{name}\] epoch {k + 1}/3  loss (\d+\.\d+)  \d+\.\d\d s"
        assert float(re.fullmatch(pattern, line)[1]) == pytest.approx(
            embedder.loss_curve_[k], abs=1e-6
        )
