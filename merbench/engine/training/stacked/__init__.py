"""Seeds of one spec trained together: their parameters stacked, one pass for all of them."""
