"""The detector for Python users: scikit-learn's way in, and river's.

Importing this package imports neither library; take the classes from `detector`, or from their modules.
"""
