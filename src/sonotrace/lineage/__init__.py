"""What leads from a file's bytes back to the commits, parameters, code and data that made it.

Nothing is kept for this beyond git and DVC. `evidence` is what can be seen from here, and what is missing;
`origins` answers for a file, `people` for a patient or an image, `blobs` finds a patient's files; `form` and
`text` write the answers, `command` is the command. `known` tells which models may be loaded, and `verify`
hashes the workspace again.
"""
