"""`make bench`: what Sluice costs, as ratios to nginx and to other gateways measured in the same run."""
