"""Show what two parts of BipartiteEmbedder's model bring, on fourteen data sets.

They are no parameters. This measures what they were chosen by: the strength with which
columns are drawn to their mean (``cohesion``, 0.15), and the prior by which columns are
ranked, their share over their normaliser among the rows (``inverted``) rather than
their share alone. Everything else has its defaults, in float32; the seed is 0.

Of every row, ``split_entries`` hides 20 % of the entries. The embedder is fitted on the
others and recommends 20 columns to the same rows, of which at most 5,000, evenly
spaced, are scored: by ``ndcg_at_k`` at 20, against the hidden entries. Two tables are
printed: NDCG of each data set, and the same as a share of that with neither part, with
the means over the data sets below.

The data sets are the four of ``bipartite_parameters.py``; three of these with rows and
columns swapped; planted groups, clear and faint; and graphs as matrices of nodes that
meet nodes: friends (BlogCatalog, LastFM), co-purchases (com-Amazon), citations (Cora),
and links from 20,000 of cnr-2000's web pages to those that three or more of them link,
of the pages that have five such links.

Run it where skemb and its extra ``plot`` can be imported::

    python benchmarks/bipartite_model.py --data DIR [--output FILE.json] [--quick]

DIR holds what ``bipartite_parameters.py`` reads, and ``blogcatalog.npz``,
``lastfm_asia.npz``, ``com_amazon_edrep.npz`` and ``cnr_2000_directed.npz``, matrices in
CSR (``indptr``, ``indices``, ``data``, ``shape``). It takes about five minutes on two
cores; ``--quick`` is a smoke test of less than a minute: the generated data alone.
"""

import sys
from itertools import chain

import numpy as np
import scipy.sparse as sp
from _data import load_csr, load_graph
from _report import argument_parser, environment, means, publish
from bipartite_parameters import N_ITEMS, generate_topics, load_data_sets, scored_rows

from skemb import BipartiteEmbedder
from skemb._row_embedder import RowEmbedder
from skemb.metrics import ndcg_at_k
from skemb.model_selection import split_entries

TITLES = {"ndcg": "NDCG at 20", "ratio": "As a share of that with neither part"}
COHESIONS = [0.05, 0.1, 0.15, 0.2, 0.3]


class SharesAsPrior(BipartiteEmbedder):
    """Ranks columns by the prior that it was trained with."""

    _scoring_prior = RowEmbedder._scoring_prior


# Of each column of the tables, the class and the cohesion of the columns.
VARIANTS = {
    "neither": (SharesAsPrior, 0.0),
    "cohesion alone": (SharesAsPrior, 0.15),
    "prior alone": (BipartiteEmbedder, 0.0),
    **{f"both, {value:g}": (BipartiteEmbedder, value) for value in COHESIONS},
}


def main():
    arguments = argument_parser(__doc__).parse_args()
    publish(measure(arguments.data, arguments.quick), TITLES, arguments.output, 4)


def measure(folder, quick):
    generated = [
        ("topics", generate_topics()),
        ("groups", planted_groups(seed=0, within=0.05, between=0.004)),
        ("groups, faint", planted_groups(seed=1, within=0.03, between=0.006)),
    ]
    others = [] if quick else chain(measured(folder), graphs(folder))
    scores = [score_variants(*pair) for pair in chain(generated, others)]
    ratios = [
        {variant: record[variant] / record["neither"] for variant in VARIANTS}
        for record in scores
    ]
    names = [record["data_set"] for record in scores] + ["mean"]
    return {
        "environment": environment(),
        "ndcg": scores,
        "ratio": [
            {"data_set": name, **ratio}
            for name, ratio in zip(names, [*ratios, means(ratios)], strict=True)
        ],
    }


def measured(folder):
    for name, X in load_data_sets(folder, quick=False):
        if "generated" not in name:
            yield name, X
            yield f"{name}, swapped", X.T.tocsr()


def graphs(folder):
    for name, file in [
        ("BlogCatalog", "blogcatalog.npz"),
        ("LastFM", "lastfm_asia.npz"),
        ("com-Amazon", "com_amazon_edrep.npz"),
        ("Cora's citations", "cora.npz"),
    ]:
        yield name, load_graph(folder / file)
    links = load_csr(folder / "cnr_2000_directed.npz")
    links.data[:] = 1
    links = links[np.random.default_rng(0).permutation(links.shape[0])[:20_000]]
    links = links[:, links.sum(axis=0) >= 3]
    yield "cnr-2000", links[np.diff(links.indptr) >= 5]


def planted_groups(seed, within, between, shape=(3000, 2000), n_groups=20):
    """Return rows and columns of groups that meet more often, some columns popular."""
    rng = np.random.default_rng(seed)
    of_rows, of_columns = (rng.integers(n_groups, size=n) for n in shape)
    popularity = rng.pareto(2, size=shape[1]) + 0.3
    chances = np.where(of_rows[:, None] == of_columns, within, between)
    meets = rng.random(shape) < chances * popularity / popularity.mean()
    return sp.csr_array(meets.astype(np.float32))


def score_variants(name, X):
    print(f"{name} {X.shape[0]} x {X.shape[1]}", file=sys.stderr)
    train, test = split_entries(X, test_size=0.2, random_state=0)
    scored = scored_rows(train.shape[0])
    record = {"data_set": name}
    for variant, (embedder, cohesion) in VARIANTS.items():
        model = embedder(random_state=0, n_jobs=-1)
        model._cohesion = (0.0, cohesion)
        columns = model.fit(train).recommend(train[scored], N_ITEMS).columns
        record[variant] = ndcg_at_k(test[scored], columns)
    return record


if __name__ == "__main__":
    main()
