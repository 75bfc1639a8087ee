"""What several units have learned, put together: one reference for a fleet, and a start for a new unit.

A unit is a daemon somewhere at the edge. It gives away the moments of its models and nothing else
(`reference`), in a file or as a retained message; whoever has those of several merges them (`gathered`) and
lets a new model begin with all of them (`member`). Only what a unit has learned itself is ever given away, so
nothing is counted twice.
"""
