#!/usr/bin/env bash
# To audpsychometric's gold standard a missing word is a vote, and one missing number loses a rater.
#
# Versions:  audpsychometric 0.1.1, audmetric 1.4.2, pandas 2.3.3, numpy 2.0.2.
# Guess:     `mode` and `agreement_categorical` leave out missing ratings, of which they say that
#            None and NaN are ignored; where rows are utterances, `rater_agreement` leaves out the
#            utterances that a rater missed, as the comment in its code says, and gives one number a
#            rater, which weights the raters in `evaluator_weighted_estimator`.
# Behaviour: in a list of lists, the form of its examples, NaN beside words is the word "nan": the
#            mode of "angry", NaN, NaN is "nan", with an agreement of .67. With None for NaN it is
#            "angry", 1. `mode` also rounds numbers to whole ones, of which the documentation speaks
#            for ties alone: that of .4, .4, -.2 is 0, which nobody gave, with an agreement of 0.
#            `rater_agreement` leaves out each rater who missed an utterance, not the utterance:
#            of three raters with one missing rating it gives two numbers, and does not say whose;
#            of raters of whom each missed one, as in crowdsourced data, it gives none.
# Source:    audpsychometric, core/gold_standard.py: np.array(ratings) makes a string of NaN before
#            _remove_empty looks for it; _mode: int(np.floor(np.mean(values[idx]) + 0.5));
#            rater_agreement: `ratings[:, ~np.isnan(ratings).any(axis=0)]` selects columns.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet audpsychometric==0.1.1 audmetric==1.4.2 pandas==2.3.3 \
        numpy==2.0.2
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"audpsychometric": "0.1.1", "audmetric": "1.4.2", "pandas": "2.3.3", "numpy": "2.0.2"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

import numpy as np
from audpsychometric import agreement_categorical, mode, rater_agreement

NAN = float("nan")
EXPECTED = [  # ratings of one utterance, their mode, its agreement
    (["angry", NAN, NAN], "nan", 2 / 3),
    (["angry", None, None], "angry", 1.0),
    ([0.4, 0.4, -0.2], 0, 0.0),
    ([1, 1, NAN], 1, 1.0),
]
as_stated = True
for ratings, expected, expected_agreement in EXPECTED:
    winner, agreement = mode(ratings), agreement_categorical(ratings)
    print(f"{ratings}: mode {winner!r}, agreement {agreement:.2f}")
    as_stated &= winner == expected and abs(agreement - expected_agreement) < 1e-9

utterances = np.array([[1, 2, 1], [2, 1, 3], [3, 3, 2], [4, 5, 5], [5, 4, 4.0]])
one_missing, each_misses_one = utterances.copy(), utterances.copy()
one_missing[4, 0] = NAN
each_misses_one[[0, 1, 2], [0, 1, 2]] = NAN
wanted, given = rater_agreement(one_missing[:4]), rater_agreement(one_missing)
print("three raters, without the last utterance:", wanted.round(3))
print("three raters, the last utterance without the first's:", given.round(3))
print("each rater missed one:", rater_agreement(each_misses_one))
without_first = rater_agreement(utterances[:, 1:])
as_stated &= len(wanted) == 3 and np.array_equal(given, without_first)
as_stated &= len(rater_agreement(each_misses_one)) == 0
sys.exit(0 if as_stated else 1)
END
