"""From verdicts to alerts: one for each episode, with its reason."""
