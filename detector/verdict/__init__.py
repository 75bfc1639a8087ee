"""From distance to verdict: radius, tail of past scores, and the reasons."""
