"""Get bytes from a server, and files out of the archives that it sends."""
