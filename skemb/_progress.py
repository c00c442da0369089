"""What a fit tells scikit-learn's callbacks, and the screen if asked."""

from contextlib import contextmanager
from time import perf_counter

_LONGEST_SILENCE = 5.0  # seconds


class Progress:
    """Reports the tasks of one fit: perhaps preparations, then the epochs.

    Parameters
    ----------
    estimator : BaseEmbedder
        Whose fit it is.
    X, y : object
        What was passed to it.
    n_preparations : int
        How many tasks come before the epochs.
    """

    def __init__(self, estimator, X, y, n_preparations):
        self._subject = {"estimator": estimator, "X": X, "y": y}
        self._context = estimator._init_callback_context(
            max_subtasks=estimator.max_iter + n_preparations
        )
        self._context.call_on_fit_task_begin(**self._subject)
        # Called with the losses, for the fitted attributes so far, if anyone asks.
        self.snapshot = None

    def begin(self):
        """Announce an epoch."""
        self._begin_task("epoch")

    def end(self, losses):
        """Report an epoch; return whether a callback asks to stop."""
        max_iter = self._subject["estimator"].max_iter
        self.say(f"epoch {len(losses)}/{max_iter}  loss {losses[-1]:.6f}")
        return self._task.call_on_fit_task_end(
            **self._subject, reconstruction_attributes=lambda: self.snapshot(losses)
        )

    @contextmanager
    def task(self, name, n_parts=0):
        """Announce and report a task that comes before the epochs.

        It has so many parts, which ``parts`` goes through; None if that is not known.
        """
        self._begin_task(name, max_subtasks=n_parts)
        yield
        self._task.call_on_fit_task_end(**self._subject)

    def parts(self, items, size, kind):
        """Yield the items of a task, so many of which are each a task of their own."""
        last_said, part = self._started, None
        for number, item in enumerate(items):
            if number % size == 0:
                self._end_part(part)
                part = self._task.subcontext(task_name=f"part of {self._name}")
                part.call_on_fit_task_begin(**self._subject)
                if number and perf_counter() - last_said > _LONGEST_SILENCE:
                    self.say(f"{self._name}, {number} {kind}")
                    last_said = perf_counter()
            yield item
        self._end_part(part)

    def _end_part(self, part):
        if part is not None:
            part.call_on_fit_task_end(**self._subject)

    def close(self, attributes):
        """Announce the end of the fit."""
        self._context.call_on_fit_task_end(
            **self._subject, reconstruction_attributes=lambda: attributes
        )

    def say(self, message):
        """Print a message, and how long its task has taken so far, if verbose."""
        estimator = self._subject["estimator"]
        if estimator.verbose:
            seconds = perf_counter() - self._started
            print(  # noqa: T201 - what verbose asks for
                f"[{type(estimator).__name__}] {message}  {seconds:.2f} s"
            )

    def _begin_task(self, name, **options):
        self._name = name
        self._task = self._context.subcontext(task_name=name, **options)
        self._task.call_on_fit_task_begin(**self._subject)
        self._started = perf_counter()
