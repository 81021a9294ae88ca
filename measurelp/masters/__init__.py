"""Restricted programs: the best measure on the cells, atoms or faces that are in play.

Each master keeps the promise of :class:`~measurelp.masters.master.Master`: a measure and a dual vector,
neither of which proves anything.
"""
