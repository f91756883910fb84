"""The version, which stands in records, in what ``--version`` prints and in the package."""

VERSION = "0.1.0"
