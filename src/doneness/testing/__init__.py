"""For tests, ours and yours: runs with planted truth, and a model that needs no download.

Nothing else in doneness imports this package.
"""
