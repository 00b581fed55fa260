"""Better, worse or the same: what a change did to errors and latency, by an honest test of the requests around it.

Pure rules. `windows` says which minutes before and after a change may be compared, `compare` judges the two samples.
The rule is stated in `RULE` and shown beside every verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Word = Literal["better", "same", "worse", "not enough data"]
Metric = Literal["errors", "latency"]

SETTLE = timedelta(minutes=3)
WINDOW = timedelta(minutes=30)
SHORTEST_WINDOW = timedelta(minutes=1)

ALPHA = 0.05
"""How often, at most, chance alone may say worse or better; shared by the two metrics (Holm)."""
FEWEST = 20
"""Below this many requests on a side nothing is said at all."""
PERCENTILE = 0.95
RESAMPLES = 10_000
SEED = 20_261_121
"""Always the same draws: who looks twice reads the same verdict."""

SMALL_SHARE, LARGE_SHARE = 0.005, 0.02
"""Of all requests: a change of the failed ones below the first is not worth a word, one of the second must not be missed."""
SMALL_RISE, LARGE_RISE = 0.10, 0.30
"""The same for p95, as a part of what it was before."""
SMALL_MS, LARGE_MS = 2.0, 5.0
"""The same for a p95 of a few milliseconds, which the server measures in whole ones."""

RULE = (
    f"Compared are the {WINDOW.seconds // 60} min before the change and the {WINDOW.seconds // 60} min that begin "
    f"{SETTLE.seconds // 60} min after it ended, both cut short where another change of the service lies in them and by "
    "the present. Errors: the share of requests with an error code or with a 200 whose body is an error, by a "
    "two-proportion test (Fisher's exact one where few are expected). Latency: p95 of the answered requests, by "
    f"{RESAMPLES:,} bootstrap resamples. Worse or better: significant at {ALPHA:.0%} after Holm's correction for the two "
    f"metrics, and by at least {100 * SMALL_SHARE:g} points of errors or {SMALL_RISE:.0%} and {SMALL_MS:g} ms of p95. "
    f"Same: not so, and the data rule out a rise by {100 * LARGE_SHARE:g} points or {LARGE_RISE:.0%} (at least "
    f"{LARGE_MS:g} ms) with 95 % confidence. Else: not enough data. One worse metric makes the verdict worse."
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The requests of one window."""

    requests: int
    failed: int
    durations: tuple[tuple[float, int], ...]
    """Milliseconds and how many of the answered requests took them, ascending."""

    @classmethod
    def of(cls, milliseconds: Iterable[float], *, failed: int = 0) -> Sample:
        """A sample of single measurements and a count of failures."""
        counted = tuple(sorted(Counter(milliseconds).items()))
        return cls(requests=sum(n for _, n in counted) + failed, failed=failed, durations=counted)

    @property
    def answered(self) -> int:
        """How many requests the percentile rests on."""
        return sum(n for _, n in self.durations)

    @property
    def error_rate(self) -> float | None:
        """Share of failed requests, 0 to 1."""
        return self.failed / self.requests if self.requests else None

    @property
    def p95(self) -> float | None:
        """What 95 % of the answered requests took at most."""
        wanted = PERCENTILE * self.answered
        running = accumulate(n for _, n in self.durations)
        return next((ms for (ms, _), upto in zip(self.durations, running, strict=True) if upto >= wanted), None)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one metric says."""

    metric: Metric
    word: Word
    before: float | None
    """Share of failed requests (0 to 1), or p95 in milliseconds."""
    after: float | None
    n_before: int
    n_after: int
    p_value: float | None
    """After the correction for two metrics; None when nothing could be tested."""
    low: float | None
    high: float | None
    """Where the difference (after less before) lies with 95 % confidence."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Both metrics and the word for them together."""

    word: Word
    errors: Finding
    latency: Finding
    rule: str = RULE

    @property
    def sentence(self) -> str:
        """Both findings in words."""
        return f"{self.errors.sentence} {self.latency.sentence}"


@dataclass(frozen=True, kw_only=True)
class Window:
    """From `start` up to but not including `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The two windows around a change; None where no time is left for one."""

    before: Window | None
    after: Window | None


def windows(
    began: datetime, ended: datetime, *, others: Sequence[tuple[datetime, datetime]] = (), now: datetime
) -> Windows:
    """The minutes to compare around a change that lasted from `began` to `ended`; `others` are the service's other changes."""
    earliest = max([began - WINDOW, *(end + SETTLE for _, end in others if end <= began)])
    latest = min([ended + SETTLE + WINDOW, now, *(start for start, _ in others if start >= ended)])
    # A change that overlaps this one cannot be told apart from it.
    overlaps = any(start < ended and end > began for start, end in others)
    return Windows(
        before=None if overlaps else _window(earliest, began),
        after=None if overlaps else _window(ended + SETTLE, latest),
    )


def compare(before: Sample, after: Sample) -> Verdict:
    """Judge the requests after a change by those before it."""
    errors, latency = _corrected(_errors(before, after), _latency(before, after))
    errors = replace(errors, word=_word(errors), sentence="")
    latency = replace(latency, word=_word(latency), sentence="")
    errors = replace(errors, sentence=_errors_in_words(errors))
    latency = replace(latency, sentence=_latency_in_words(latency))
    return Verdict(word=_together(errors.word, latency.word), errors=errors, latency=latency)


def _window(start: datetime, end: datetime) -> Window | None:
    return Window(start=start, end=end) if end - start >= SHORTEST_WINDOW else None


def _open(metric: Metric, before: tuple[float | None, int], after: tuple[float | None, int]) -> Finding:
    """Value and number of requests of each side, nothing said of them yet."""
    return Finding(
        metric=metric,
        word="not enough data",
        before=before[0],
        after=after[0],
        n_before=before[1],
        n_after=after[1],
        p_value=None,
        low=None,
        high=None,
        sentence="",
    )


def _errors(before: Sample, after: Sample) -> Finding:
    found = _open("errors", (before.error_rate, before.requests), (after.error_rate, after.requests))
    if min(before.requests, after.requests) < FEWEST:
        return found
    low, high = _share_interval(before, after)
    return replace(found, p_value=_two_proportions(before, after), low=low, high=high)


def _two_proportions(before: Sample, after: Sample) -> float:
    # SciPy takes a second to load: only who asks for a verdict pays it.
    from scipy import stats

    table = [[side.failed, side.requests - side.failed] for side in (before, after)]
    failed, total = before.failed + after.failed, before.requests + after.requests
    if failed in (0, total):
        return 1.0
    fewest = min(before.requests, after.requests) * min(failed, total - failed) / total
    if fewest < 5:
        return float(stats.fisher_exact(table).pvalue)
    return float(stats.chi2_contingency(table, correction=False).pvalue)


def _share_interval(before: Sample, after: Sample) -> tuple[float, float]:
    """Agresti and Caffo's interval, which stays honest with few or no failures."""
    from scipy import stats

    shares = [((side.failed + 1) / (side.requests + 2), side.requests + 2) for side in (before, after)]
    spread = sum(share * (1 - share) / n for share, n in shares) ** 0.5 * float(stats.norm.ppf(1 - ALPHA / 2))
    middle = shares[1][0] - shares[0][0]
    return middle - spread, middle + spread


def _latency(before: Sample, after: Sample) -> Finding:
    found = _open("latency", (before.p95, before.answered), (after.p95, after.answered))
    if min(before.answered, after.answered) < FEWEST:
        return found
    import numpy as np

    draws = np.random.default_rng(SEED)
    differences = _resampled(after, draws) - _resampled(before, draws)
    # A resample without a difference speaks for neither side.
    not_above = (int((differences <= 0).sum()) + 1) / (RESAMPLES + 1)
    not_below = (int((differences >= 0).sum()) + 1) / (RESAMPLES + 1)
    low, high = np.quantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return replace(found, p_value=min(1.0, 2 * min(not_above, not_below)), low=float(low), high=float(high))


def _resampled(sample: Sample, draws: np.random.Generator) -> np.ndarray:
    """The p95 of many resamples.

    The k-th smallest of n values drawn anew from n measured ones is the value at a Beta(k, n + 1 - k) share of them, so
    drawing that share is the whole bootstrap, whatever n is.
    """
    import numpy as np

    n = sample.answered
    k = max(1, int(np.ceil(PERCENTILE * n)))
    values = np.array([ms for ms, _ in sample.durations])
    upto = np.cumsum([count for _, count in sample.durations])
    places = np.ceil(draws.beta(k, n + 1 - k, RESAMPLES) * n)
    return values[np.searchsorted(upto, np.clip(places, 1, n))]


def _corrected(errors: Finding, latency: Finding) -> tuple[Finding, Finding]:
    """Holm's correction: the smaller of two p-values counts twice, and the other is no smaller than that."""
    if errors.p_value is None or latency.p_value is None:
        # One test alone needs no correction, but which of the two it is was not decided beforehand.
        return (
            replace(errors, p_value=None if errors.p_value is None else min(1.0, 2 * errors.p_value)),
            replace(latency, p_value=None if latency.p_value is None else min(1.0, 2 * latency.p_value)),
        )
    smaller = min(1.0, 2 * min(errors.p_value, latency.p_value))
    larger = max(smaller, errors.p_value, latency.p_value)
    is_errors = errors.p_value <= latency.p_value
    return (
        replace(errors, p_value=smaller if is_errors else larger),
        replace(latency, p_value=larger if is_errors else smaller),
    )


def _word(found: Finding) -> Word:
    if found.p_value is None or found.before is None or found.after is None or found.high is None:
        return "not enough data"
    difference = found.after - found.before
    small, large = _sizes(found)
    if found.p_value < ALPHA and abs(difference) >= small:
        return "worse" if difference > 0 else "better"
    return "same" if found.high < large else "not enough data"


def _sizes(found: Finding) -> tuple[float, float]:
    """From which difference on it is worth a word, and which must not be missed."""
    if found.metric == "errors":
        return SMALL_SHARE, LARGE_SHARE
    before = found.before or 0.0
    return max(SMALL_RISE * before, SMALL_MS), max(LARGE_RISE * before, LARGE_MS)


def _together(errors: Word, latency: Word) -> Word:
    words = (errors, latency)
    order: tuple[Word, ...] = ("worse", "better", "not enough data", "same")
    return next(word for word in order if word in words)


def _errors_in_words(found: Finding) -> str:
    if found.before is None or found.after is None:
        return f"Errors: {_missing(found)}"
    said = (
        f"Errors {found.word}: {100 * found.before:.2f} % of {found.n_before:,} requests before, "
        f"{100 * found.after:.2f} % of {found.n_after:,} after"
    )
    return f"{said}{_chance(found)}."


def _latency_in_words(found: Finding) -> str:
    if found.before is None or found.after is None:
        return f"Latency: {_missing(found)}"
    said = (
        f"Latency {found.word}: p95 {found.before:,.0f} ms of {found.n_before:,} answered before, "
        f"{found.after:,.0f} ms of {found.n_after:,} after"
    )
    return f"{said}{_chance(found)}."


def _chance(found: Finding) -> str:
    if found.p_value is None:
        return f" (fewer than {FEWEST} on a side say nothing)"
    return " (p < 0.001)" if found.p_value < 0.001 else f" (p = {found.p_value:.3f})"


def _missing(found: Finding) -> str:
    side = "before" if not found.n_before else "after"
    what = "requests" if found.metric == "errors" else "answered requests"
    return f"not enough data: no {what} {side} the change in the telemetry."
