"""New processes for what is measured, and the memory of the one that runs.

Only the standard library is imported, for processes whose memory is measured.
"""

import os
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def in_new_process(function, *arguments):
    """Return what the function returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def run_python(*arguments, **variables):
    """Return what a new interpreter prints, with these environment variables."""
    process = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return process.stdout


def peak_memory():
    """Return the peak resident memory of this process so far in MB."""
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit / 1e6
