"""The generated control set: the data set, its tasks emotions and mentions, its streams."""
