"""Imports point down only, and every compiled function is in one file."""

import ast
from pathlib import Path

import skemb

PACKAGE = Path(skemb.__file__).parent

# What each module of the package may import from the package.
BELOW = {
    "__init__": {
        "_attributed_graph",
        "_bipartite",
        "_cooccurrence",
        "_graph",
        "_link_prediction",
        "_lookup",
        "_text",
    },
    "_bipartite": {
        "_base",
        "_compat",
        "_normalizer",
        "_parallel",
        "_row_embedder",
        "_trainer",
        "_validation",
    },
    "_attributed_graph": {"_compat", "_operators", "_row_embedder", "_validation"},
    "_graph": {"_compat", "_operators", "_row_embedder", "_validation"},
    "_cooccurrence": {
        "_base",
        "_compat",
        "_feature_embedder",
        "_operators",
        "_parallel",
        "_trainer",
        "_validation",
    },
    "_text": {
        "_compat",
        "_corpus",
        "_feature_embedder",
        "_operators",
        "_parallel",
        "_validation",
        "_windows",
    },
    "_row_embedder": {
        "_base",
        "_compat",
        "_dask",
        "_normalizer",
        "_operators",
        "_trainer",
        "_validation",
    },
    "_feature_embedder": {
        "_base",
        "_compat",
        "_normalizer",
        "_operators",
        "_parallel",
        "_trainer",
        "_validation",
    },
    "_base": {
        "_compat",
        "_dask",
        "_normalizer",
        "_operators",
        "_parallel",
        "_progress",
        "_sampled_normalizer",
        "_trainer",
        "_validation",
    },
    "_dask": {"_operators", "_parallel", "_validation"},
    "_corpus": {"_validation"},
    "_windows": {"_kernels"},
    "_progress": set(),
    "_validation": {"_parallel"},
    "_compat": set(),
    "_ids": set(),
    "_lookup": {"_base", "_compat", "_ids", "_validation"},
    "_link_prediction": {"_compat", "_parallel"},
    "_embedding_metrics": {"_parallel", "_trainer", "_validation"},
    "displays": {"_embedding_metrics"},
    "_command_line": {
        "_bipartite",
        "_graph",
        "_ids",
        "_table_files",
        "_text",
        "_validation",
        "datasets",
    },
    "_table_files": set(),
    "__main__": {"_command_line"},
    "_trainer": {"_kernels", "_normalizer", "_operators", "_parallel"},
    "_normalizer": {"_kernels"},
    "_sampled_normalizer": {"_kernels", "_normalizer"},
    "_operators": {"_kernels", "_parallel"},
    "_kernels": set(),
    "_parallel": set(),
    "datasets": {"_ids", "_mapped_matrix"},
    "_mapped_matrix": {"_validation"},
    "metrics": {"_embedding_metrics", "_link_prediction", "_ranking_metrics"},
    "_ranking_metrics": {"_validation", "model_selection"},
    "model_selection": {"_kernels", "_validation"},
}
KNOWS_SCIKIT_LEARN = {
    "_attributed_graph",
    "_bipartite",
    "_cooccurrence",
    "_graph",
    "_text",
    "_row_embedder",
    "_base",
    "_corpus",
    "_compat",
    "_validation",
    "_command_line",
    "_lookup",
    "_link_prediction",
    "_embedding_metrics",
    "_ranking_metrics",
    "displays",
    "model_selection",
}

# What is optional, and where it may be imported: when it is asked for, not before.
INSIDE_FUNCTIONS = {"displays": {"matplotlib"}, "_table_files": {"pyarrow"}}
# A module of the package that is made for something optional is itself imported so.
MADE_FOR = {"_dask": {"dask"}}


def imported(module):
    """Yield the dotted names that a module imports."""
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield node.module


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(BELOW)


def test_arrows_point_down():
    for module, below in BELOW.items():
        inside = {name for name in imported(module) if name.startswith("skemb")}
        assert inside == {f"skemb.{name}" for name in below}, module


def test_only_estimators_know_scikit_learn():
    for module in set(BELOW) - KNOWS_SCIKIT_LEARN:
        assert not any(name.startswith("sklearn") for name in imported(module)), module


def test_private_scikit_learn_is_imported_in_one_module():
    for module in set(BELOW) - {"_compat"}:
        for name in imported(module):
            private = any(part.startswith("_") for part in name.split("."))
            assert not (name.startswith("sklearn") and private), (module, name)


def test_compiled_functions_are_in_one_file():
    for module in set(BELOW) - {"_kernels"}:
        assert not any(name.startswith("numba") for name in imported(module)), module


def test_nothing_optional_is_imported():
    packages = {"pandas", "networkx", "matplotlib", "polars", "pyarrow", "rich"}
    packages |= {"dask", "distributed"}
    modules = {f"skemb.{module}" for module in MADE_FOR}
    for module in BELOW:
        used = {name.split(".")[0] for name in imported(module)} & packages
        made_for = MADE_FOR.get(module, set())
        assert used <= INSIDE_FUNCTIONS.get(module, set()) | made_for, module
        tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = set(ast.unparse(node).replace(",", " ").split())
                tops = {name.split(".")[0] for name in names}
                assert not (tops & packages - made_for | names & modules), module
