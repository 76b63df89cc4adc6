"""What differs between two states of the project: data, parameters, code, and scores on the test images they share.

Nothing is checked out. `revisions` reads what a commit, an experiment or the workspace contains;
`images`, `data`, `statistics`, `settings` and `scores` each compare one part of it; `comparison` puts
them together, `text` and `page` present it to people, and `mapping` to programs.
"""
