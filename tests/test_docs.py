"""Docstrings by numpydoc's rules and ours; the README's code runs."""

import doctest
import inspect
import re
import sys
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import skemb
from skemb import _kernels, datasets, displays, metrics, model_selection
from skemb._base import BaseEmbedder

ROOT = Path(__file__).parents[1]
of_the_source_tree = pytest.mark.skipif(
    not (ROOT / "README.md").is_file(), reason="README and pages are not here"
)
OBJECTS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (skemb, datasets, displays, metrics, model_selection)
    for name in module.__all__
}
CLASSES = {name: cls for name, cls in OBJECTS.items() if inspect.isclass(cls)}
FUNCTIONS = sorted(set(OBJECTS) - set(CLASSES))
EMBEDDERS = [cls for cls in CLASSES.values() if issubclass(cls, BaseEmbedder)]
PUBLIC = [
    *OBJECTS,
    *(
        f"{path}.{name}"
        for path, cls in CLASSES.items()
        for name, method in inspect.getmembers(cls, inspect.isroutine)
        if not name.startswith("_") and method.__module__.startswith("skemb")
    ),
]
# Rules of numpydoc that we follow otherwise: summaries may be long, examples and
# "see also" stand in the class, extended summaries are a matter of need, and what is
# returned has a name, as in scikit-learn.
NOT_OURS = {"ES01", "EX01", "GL01", "RT02", "SA01", "SA04"}


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_follows_numpydoc(name):
    errors = [error for error in validate(name)["errors"] if error[0] not in NOT_OURS]
    assert not errors


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_examples_and_defaults(name):
    module, _, name = name.rpartition(".")
    function = getattr(sys.modules[module], name)
    document = FunctionDoc(function)
    assert ">>> " in "\n".join(document["Examples"])
    documented = {entry.name: entry.type for entry in document["Parameters"]}
    for name, parameter in inspect.signature(function).parameters.items():
        default = parameter.default
        if default is not parameter.empty:
            shown = getattr(default, "__name__", default)
            shown = f'"{default}"' if isinstance(default, str) else shown
            assert documented[name].endswith(f"default={shown}"), name


@pytest.mark.parametrize("cls", EMBEDDERS)
def test_parameters_say_their_default_and_range(cls):
    documented = {entry.name: entry for entry in ClassDoc(cls)["Parameters"]}
    signature = inspect.signature(cls).parameters
    assert list(documented) == list(signature)
    for name, parameter in signature.items():
        default = parameter.default
        shown = f'"{default}"' if isinstance(default, str) else str(default)
        kind = documented[name].type.replace('r"', '"').replace(r"\\", "\\")
        assert kind.endswith(f"default={shown}"), name
        constraints = str(cls._parameter_constraints[name])
        text = " ".join(documented[name].desc)
        if "Interval" in constraints:
            assert re.search(r"at least 1|from 1 to|in \[0|0 never|positive", text), (
                name
            )


@pytest.mark.parametrize("cls", EMBEDDERS)
def test_attributes_are_documented_with_their_shapes(cls):
    documented = {entry.name: entry.type for entry in ClassDoc(cls)["Attributes"]}
    reads_text = cls().__sklearn_tags__().input_tags.string
    X = ["one two", "two one"] if reads_text else [[1.0, 1.0], [1.0, 1.0]]
    fitted = cls(2, max_iter=2).fit(X)
    learned = {name for name in vars(fitted) if name.endswith("_")}
    assert learned <= set(documented)
    for name, kind in documented.items():
        assert "of shape" in kind or kind in (
            "int",
            "float",
            "dict",
            "CountVectorizer",
        ), name


@pytest.mark.parametrize("cls", EMBEDDERS)
def test_docstring_gives_objective_cost_source_and_example(cls):
    document = ClassDoc(cls)
    assert ".. math::" in "\n".join(document["Extended Summary"])
    assert "costs O(" in " ".join(document["Notes"])
    assert "arXiv" in " ".join(document["References"])
    assert ">>> " in "\n".join(document["Examples"])


def test_every_public_name_has_examples():
    # The suite runs them, with --doctest-modules.
    finder = doctest.DocTestFinder(recurse=False)
    counts = {
        name: sum(len(found.examples) for found in finder.find(thing, name))
        for name, thing in OBJECTS.items()
    }
    assert len(counts) > 20
    assert {name for name, count in counts.items() if count < 2} == set()


@of_the_source_tree
def test_readme_code_runs():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@of_the_source_tree
def test_every_public_name_has_a_page():
    text = (ROOT / "docs" / "api.rst").read_text("utf-8")
    listed = re.findall(r"^   (\w+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted(name.rpartition(".")[2] for name in OBJECTS)


@of_the_source_tree
def test_pages_of_the_documentation_run():
    pages = sorted((ROOT / "docs").glob("*.rst"))
    assert len(pages) > 10
    for page in pages:
        result = doctest.testfile(str(page), module_relative=False)
        assert result.failed == 0, page.name


def test_every_kernel_says_its_shapes():
    kernels = {name: f for name, f in vars(_kernels).items() if hasattr(f, "py_func")}
    assert len(kernels) > 4
    for name, kernel in kernels.items():
        assert re.search(r"\((b, )?(2 )?[dkmKV4],?\)", inspect.getdoc(kernel)), name
