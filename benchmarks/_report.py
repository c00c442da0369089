"""What the benchmarks share: their arguments, their report, and statistics of runs.

Only the standard library is imported, for processes whose memory is measured.
"""

import json
import os
import platform
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import mean


def argument_parser(description, modes=("--quick",), reads_data=True):
    """Return a parser of what all benchmarks take; the modes exclude one another."""
    parser = ArgumentParser(
        description=description, formatter_class=RawDescriptionHelpFormatter
    )
    if reads_data:
        parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    group = parser.add_mutually_exclusive_group()
    for mode in modes:
        group.add_argument(mode, action="store_true")
    return parser


def environment(*rivals):
    """Return the versions of all that runs, of rivals if there, and the CPUs."""
    import skemb

    packages = ["numpy", "scipy", "scikit-learn", "numba"]
    packages += filter(is_installed, rivals)
    return {
        "python": platform.python_version(),
        "skemb": skemb.__version__,
        **{name: version(name) for name in packages},
        "cpu_count": os.cpu_count(),
    }


def is_installed(library):
    return find_spec(library) is not None


def publish(report, titles, file=None, digits=3):
    """Print a report's environment and its tables under their titles, and write it."""
    print(", ".join(f"{key} {value}" for key, value in report["environment"].items()))
    for key, title in titles.items():
        print(f"\n### {title}\n")
        print_table(report[key], digits)
    if file:
        file.write_text(json.dumps(report, indent=2) + "\n")


def print_table(records, digits=3):
    """Print records of equal keys in Markdown; ``digits`` are those of decimals."""
    header = [key.replace("_", " ") for key in records[0]]
    rows = [[cell_text(value, digits) for value in row.values()] for row in records]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for cells in [header, ["-" * width for width in widths], *rows]:
        padded = [text.ljust(width) for text, width in zip(cells, widths, strict=True)]
        print(f"| {' | '.join(padded)} |")


def cell_text(value, digits):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if value < 10 else f"{value:.1f}"
    return str(value)


def grouped(runs, *keys):
    """Return lists of the runs that have equal values of the keys, by these values."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return groups


def means(scores):
    """Return the mean of each figure of a list of dicts."""
    return {key: mean(score[key] for score in scores) for key in scores[0]}
