"""The form ``csd``: computational sequences of the CMU-MultimodalSDK."""
