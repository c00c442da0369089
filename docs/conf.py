"""Configuration of the pages: ``python -m sphinx -W docs docs/_build``."""

import re

import skemb

project = "skemb"
author = copyright = "the skemb developers"
version = release = skemb.__version__
extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
smartquotes = False
# Names must lead somewhere; those of others do where intersphinx reaches them.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(numpy|scipy|sklearn)\..*")]

html_theme = "pydata_sphinx_theme"
html_title = "skemb"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["style.css"]
toc_object_entries_show_parents = "hide"
html_theme_options = {"secondary_sidebar_items": ["page-toc"], "show_prev_next": False}
html_sidebars = {"index": [], "api": []}

# Methods stand on the page of their class, from the template.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": "skemb",
    "download_all_examples": False,
    "thumbnail_size": (600, 240),
    "write_computation_times": False,
}

# Without the internet, names of others stay as they are: an empty inventory.
intersphinx_mapping = {
    "numpy": ("https://numpy.org/doc/stable/", (None, "offline.inv")),
    "scipy": ("https://docs.scipy.org/doc/scipy/", (None, "offline.inv")),
    "sklearn": ("https://scikit-learn.org/stable/", (None, "offline.inv")),
}
intersphinx_timeout = 5
# Sections that the docstrings of scikit-learn refer to.
_LABELS_OF_SKLEARN = {
    "df_output_transform",
    "metadata_routing",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py",
}


def _keep_text(app, env, node, text):
    """Leave a section of scikit-learn that intersphinx has not found as text."""
    if node["reftype"] == "ref" and node["reftarget"] in _LABELS_OF_SKLEARN:
        return text
    return None


def _link_pages(app, what, name, obj, options, lines):
    """Link the pages that docstrings name by their files."""
    lines[:] = [re.sub(r"``docs/(\w+)\.rst``", r":doc:`/\1`", line) for line in lines]


def setup(app):
    """Connect the above."""
    app.connect("autodoc-process-docstring", _link_pages)
    app.connect("missing-reference", _keep_text, priority=900)
