"""A process that holds one library and times it when asked.

It needs the library and NumPy only, so that a peer may live in another environment than fastconv: nothing in here
imports fastconv, `with_fastconv` apart.
"""
