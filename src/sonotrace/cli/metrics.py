"""Print the metrics."""


def metrics() -> None:
    """Print the metrics of both models as tables."""
    from sonotrace.scores.table import show

    show()
