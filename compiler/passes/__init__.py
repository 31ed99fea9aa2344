"""Transformations of the IR, one a file: `run` changes a function in place and says whether it did.

Each leaves verdict, port, bytes, maps, exception and its line of every packet as they were.
"""
