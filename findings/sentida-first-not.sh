#!/usr/bin/env bash
# To Sentida only the first "ikke" (not) of a text denies, and none where it asks a question.
#
# Versions:  sentida 0.6.0, nltk 3.10.4, pandas 3.1.1, numpy 2.4.6.
# Guess:     `Sentida().sentida(text)`, the mean over the words of a Danish text that have a score,
#            turns words beside each negation, as its README shows of "Det går ikke dårligt", and
#            strengthens those beside each "meget" (very); so a text of two sentences alike in
#            form has the mean of the two.
# Behaviour: a word's place is asked for by the word, and is that of its first use: where one comes
#            again, the first place is taken twice and the second not at all. "I am not sad" has 3,
#            "I am not angry" 3.5, but both together -.25: not sad, and angry. "I am not happy. I am
#            not content" has -.67 (-4.33 and -3), and with "never" for the second "not", which is
#            another word, -2. The second "very" adds nothing. A question mark anywhere takes all
#            negations away: "I am not happy" has -4.33, and with "Why?" behind it 4.33, as "I am
#            happy".
# Source:    sentida, sentida.py, Sentida.get_negator_affected and get_intensifier: `words.index(
#            word)` in a loop over words; Sentida.sentida: `if self.question_identifier(text) == 0`
#            stands before the turning of signs. Its notes say "Question mark is: XXX".
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet sentida==0.6.0 nltk==3.10.4 pandas==3.1.1 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"sentida": "0.6.0", "nltk": "3.10.4", "pandas": "3.1.1", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

from sentida import Sentida

TEXTS = {  # Danish: English, the score on the scale from -5 to 5
    "Jeg er ikke trist.": ("I am not sad", 3.0),
    "Jeg er ikke vred.": ("I am not angry", 3.5),
    "Jeg er ikke trist. Jeg er ikke vred.": ("both", -0.25),
    "Jeg er ikke glad.": ("I am not happy", -4.333),
    "Jeg er ikke tilfreds.": ("I am not content", -3.0),
    "Jeg er ikke glad. Jeg er ikke tilfreds.": ("both", -0.667),
    "Jeg er ikke glad. Jeg er aldrig tilfreds.": ("not happy, never content", -2.0),
    "Jeg er meget glad.": ("I am very happy", 5.2),
    "Jeg er meget tilfreds.": ("I am very content", 3.6),
    "Jeg er meget glad. Jeg er meget tilfreds.": ("both", 4.1),
    "Jeg er glad.": ("I am happy", 4.333),
    "Jeg er ikke glad. Hvorfor?": ("I am not happy. Why?", 4.333),
}
sentida = Sentida()
as_stated = True
for danish, (english, expected) in TEXTS.items():
    score = sentida.sentida(danish, normal=False)
    print(f"{danish} ({english}): {score:.2f}")
    as_stated &= round(score, 3) == expected
sys.exit(0 if as_stated else 1)
END
