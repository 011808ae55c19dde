"""The kill matrix: each story of a corpus, killed once at every point that it passes, and held to its checks.

`corpus` has the workflows and `stories` what drives them from outside; `process` runs a story in a process that can be
killed; `checks` says what must hold afterwards; `runner` goes through all of it, `table` writes it down.
"""
