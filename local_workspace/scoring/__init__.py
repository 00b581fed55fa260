"""What really runs: scoring environments, replicas of the inference server, and the front end before them."""
