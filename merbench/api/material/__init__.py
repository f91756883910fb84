"""What data is: types that flow between parts, rows, corpora, clips, words and labels."""
