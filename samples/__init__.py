"""What the first run shows: real models, trained here, deployed by ordinary operations of the desk, called by real requests."""
