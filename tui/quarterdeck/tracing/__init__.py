"""The trace over the hub: what is gathered, what is fetched when it is wanted, and how it is told without a screen."""
