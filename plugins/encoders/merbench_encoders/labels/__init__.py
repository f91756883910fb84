"""Label encoders: label words as queries."""
