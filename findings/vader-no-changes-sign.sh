#!/usr/bin/env bash
# To VADER "No" is negative, "No." is neutral, and "no no no" is positive.
#
# Versions:  vaderSentiment 3.3.2, with its own lexicon.
# Guess:     a word of the lexicon has one valence with and without a comma or full stop after it,
#            as "Bad" and "Bad." have, and three words of negative valence ("no" has -1.2) are
#            negative.
# Behaviour: a word of at most two letters keeps its punctuation, for it may be an emoticon, and so
#            is in no lexicon: "No." and "No, no, no!" have 0. Longer words lose it. Where "no"
#            follows "no", it is negated like other words: "no no no" has +.42. So the score of
#            dialogue, where "No, ..." is frequent, depends on how it was transcribed. "Ok." has 0
#            as well.
# Source:    vaderSentiment, vaderSentiment.py: SentiText._strip_punc_if_word (`len(stripped) <= 2`)
#            and SentimentIntensityAnalyzer.sentiment_valence: a word of the lexicon, "no" among
#            them, one or two places after "no" gets its valence times N_SCALAR, -.74.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet vaderSentiment==3.3.2
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"vadersentiment": "3.3.2"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

EXPECTED = {
    "Bad": -0.5423,
    "Bad.": -0.5423,
    "No": -0.296,
    "No.": 0.0,
    "No, no, no!": 0.0,
    "no no no": 0.4168,
    "Ok": 0.296,
    "Ok.": 0.0,
}
analyzer = SentimentIntensityAnalyzer()
scores = {text: analyzer.polarity_scores(text)["compound"] for text in EXPECTED}
for text, score in scores.items():
    print(f"{text!r}: compound {score:+.4f}")
print("valence of 'no' in the lexicon:", analyzer.lexicon["no"])
sys.exit(0 if scores == EXPECTED and analyzer.lexicon["no"] == -1.2 else 1)
END
