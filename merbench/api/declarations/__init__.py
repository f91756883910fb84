"""What a plugin declares, as frozen data: components, recipes, settings, ranges, metrics."""
