"""How labels come in: one module a data set, each with `read_snapshot`, which lists a folder's images and rows."""
