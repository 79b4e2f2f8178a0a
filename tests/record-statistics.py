"""Writes tests/recordings/statistics.json: what scipy says of seeded samples.

Needs scipy and numpy from PyPI. Bootstraps are percentile intervals of 200,000 resamples, so that
their own noise is below the tolerance of the test.
"""

import json
import pathlib

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(7)


def t_case(n, scale):
    sample = np.round(rng.normal(1.3, scale, n), 6)
    interval = stats.t.interval(0.95, n - 1, loc=sample.mean(), scale=stats.sem(sample))
    return {"sample": sample.tolist(), "mean": sample.mean(), "interval": list(interval)}


def bootstrap_case(n, scale):
    sample = np.round(rng.gamma(2.0, scale, n) - scale, 6)
    result = stats.bootstrap(
        (sample,), np.mean, n_resamples=200_000, method="percentile", rng=np.random.default_rng(1)
    )
    return {"sample": sample.tolist(), "interval": list(result.confidence_interval)}


def clustered_case(n, per, scale):
    centres = rng.normal(0.4, scale, n)
    groups = [np.round(rng.normal(c, 0.3, per), 6) for c in centres]
    means = np.array([g.mean() for g in groups])
    result = stats.bootstrap(
        (means,), np.mean, n_resamples=200_000, method="percentile", rng=np.random.default_rng(2)
    )
    return {
        "groups": [g.tolist() for g in groups],
        "interval": list(result.confidence_interval),
    }


def wilson_case(k, n):
    ci = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    return {"k": k, "n": n, "interval": [ci.low, ci.high]}


out = {
    "scipy": scipy.__version__,
    "t": [t_case(n, s) for n, s in [(2, 1.0), (3, 0.5), (7, 2.0), (40, 1.0), (120, 3.0)]],
    "bootstrap": [bootstrap_case(n, s) for n, s in [(12, 1.0), (40, 0.5), (100, 2.0)]],
    "clustered": [clustered_case(n, per, s) for n, per, s in [(20, 3, 0.8), (60, 2, 1.5)]],
    "wilson": [
        wilson_case(k, n) for k, n in [(0, 5), (1, 1), (3, 10), (50, 100), (97, 100), (200, 200)]
    ],
}
path = pathlib.Path(__file__).parent / "recordings" / "statistics.json"
path.write_text(json.dumps(out) + "\n")
