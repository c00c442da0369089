"""What scikit-learn keeps private or has not always had, imported here alone."""

from sklearn.base import _fit_context as fit_context
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

# What scikit-learn allows for the parameters that are passed on to its vectorizer.
VECTORIZER_CONSTRAINTS = {
    name: CountVectorizer._parameter_constraints[name]
    for name in (
        "lowercase",
        "token_pattern",
        "ngram_range",
        "stop_words",
        "min_df",
        "max_df",
        "max_features",
        "vocabulary",
    )
}

try:  # scikit-learn >= 1.9
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class _SilentContext:
        """Stands in for scikit-learn's callback context: nobody listens."""

        def subcontext(self, **options):
            return self

        def call_on_fit_task_begin(self, **arguments):
            return self

        def call_on_fit_task_end(self, **arguments):
            return False

    class CallbackSupportMixin:
        """Lets estimators report their progress where callbacks do not exist."""

        def _init_callback_context(self, **options):
            return _SilentContext()


__all__ = [
    "VECTORIZER_CONSTRAINTS",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "fit_context",
]
