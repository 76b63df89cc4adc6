"""What git and DVC recorded of a run, in forms that others read: one module a form.

`record` reads the run, and refuses a workspace that is not as recorded; the forms write what it
returns. Nothing in them depends on the clock, the machine or the folder, and none of them names a
patient or an image.
"""

LICENCE = "AGPL-3.0-only"
