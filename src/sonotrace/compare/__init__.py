"""What differs between two states of the project: data, parameters, code, and scores on what both were tested on.

Nothing is checked out. `revisions` reads what a commit, an experiment or the workspace holds; `data`,
`statistics`, `settings` and `scores` each compare one part of it; `comparison` puts them together,
and `text` and `page` write it for people.
"""
