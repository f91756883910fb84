#!/usr/bin/env bash
# To SnowNLP's sentiment "happy" is a stop word, as is the common "not" of "I am not disappointed".
#
# Versions:  snownlp 0.12.3, with its own sentiment model.
# Guess:     `SnowNLP(text).sentiments`, the probability that a text is positive, rests on the words
#            of a text that say what is felt, and on those that deny or strengthen it.
# Behaviour: the list of 1426 stop words, which are taken away first in training and in use, holds
#            高兴 (happy), 满足 (content), 伟大 (great), the negation 没有, 非常 and 十分 (very), and the
#            laugh 哈哈; but neither 不 nor 没, the other two negations, nor 很 (very). "I am very
#            happy" has no word left and .526, as "they are here", which is what the model says of
#            nothing. "I am disappointed" and "I am not disappointed" both have .154, "I regret it"
#            and "I do not regret it" .194, "I am satisfied" and "I am not satisfied" .705; with 没
#            for 没有, which means the same, the denied ones have .082, .106 and .541. So scores
#            depend on which of two words for "not" or for "very" is chosen.
# Source:    snownlp, normal/stopwords.txt, and sentiment/__init__.py, Sentiment.handle:
#            `normal.filter_stop(words)`, for which there is no setting.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet snownlp==0.12.3
fi
cd "$folder"
export PYTHONUTF8=1
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"snownlp": "0.12.3"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

from snownlp import SnowNLP, normal, seg, sentiment

STOPPED = {"高兴", "满足", "伟大", "没有", "非常", "十分", "哈哈"}
KEPT = {"不", "没", "很", "失望", "后悔", "满意"}
SENTENCES = {  # English: Chinese, the words that are left, the score
    "they are here": ("他们在这里", [], 0.526),
    "I am very happy": ("我非常高兴", [], 0.526),
    "haha": ("哈哈", [], 0.526),
    "I am disappointed": ("我失望", ["失望"], 0.154),
    "I am not (没有) disappointed": ("我没有失望", ["失望"], 0.154),
    "I am not (没) disappointed": ("我没失望", ["没", "失望"], 0.082),
    "I regret it": ("我后悔", ["后悔"], 0.194),
    "I do not (没有) regret it": ("我没有后悔", ["后悔"], 0.194),
    "I do not (没) regret it": ("我没后悔", ["没", "后悔"], 0.106),
    "I am satisfied": ("我满意", ["满意"], 0.705),
    "I am not (没有) satisfied": ("我没有满意", ["满意"], 0.705),
    "I am not (没) satisfied": ("我没满意", ["没", "满意"], 0.541),
}
as_stated = normal.stop >= STOPPED and not normal.stop & KEPT
print(f"stop words: {' '.join(sorted(STOPPED & normal.stop))}; {len(normal.stop)} in all")
for english, (chinese, words, expected) in SENTENCES.items():
    left, score = sentiment.classifier.handle(chinese), SnowNLP(chinese).sentiments
    print(f"{english} ({'/'.join(seg.seg(chinese))}): {' '.join(left) or 'nothing'}, {score:.3f}")
    as_stated &= left == words and round(score, 3) == expected
sys.exit(0 if as_stated else 1)
END
