"""Where labelled images come from: one module a source, one function each.

    snapshot(data_set, origin, params, into, workers, advance) -> Path

`origin` is the folder `data/<source>/<data set>` that git or DVC pins; `params` is the source's own
section of `pull.<data set>`; the function returns the folder that holds the snapshot in a form
that `planes.read_snapshot` or `structures.read_snapshot` reads: `origin` itself, or the empty
folder `into` after filling it. `advance(count)` moves a progress bar.
"""
