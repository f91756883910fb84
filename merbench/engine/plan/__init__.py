"""What a run is asked for and what it then is; its settings, stages and start weights."""
