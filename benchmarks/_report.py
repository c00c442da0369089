"""What the benchmarks share: their report as tables, and the memory of a process.

Only the standard library is imported, for processes whose memory is measured.
"""

import resource
import sys


def print_report(report, titles, digits=3):
    """Print the environment and, under their titles, the tables of a report."""
    print(", ".join(f"{key} {value}" for key, value in report["environment"].items()))
    for key, title in titles.items():
        print(f"\n### {title}\n")
        print_table(report[key], digits)


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


def peak_memory():
    """Return the peak resident memory of this process so far in MB."""
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit / 1e6
