"""What leads from a file's bytes back to the commits, parameters, code and data that made it.

Nothing is kept for this beyond git and DVC: `history` reads every `dvc.lock` that git holds,
`tree` follows one of them back to the data, `store` reads what they name from DVC's cache, `trace`
and `show` answer, `verify` hashes the workspace again.
"""
