"""Parts as one model, and what the harness demands of them."""
