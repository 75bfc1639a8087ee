"""The page of the documentation: what was measured, how, the tables, and where we lose."""

from __future__ import annotations

from datetime import date

from benchmarks.accuracy import report

_HEAD = """\
# Accuracy

How well the defaults rank and judge labelled data, beside other streaming detectors. Written by
`make bench-accuracy DATA=DIR DOCS=docs/accuracy.md` on {day}; do not edit.

## What was measured

| group | files | what |
| --- | ---: | --- |
{groups}

- Each file is one pass: a record is scored, then learned. No labels, no settings for a group or a file.
- The first rows are learned and not scored: SKAB 400; ASD, SMD, MSL and SMAP the last 1,000 of their
  training part; NAB 15 %, at most 750; tables 10 %, at most 256.
- Tables have no order: they are shuffled with a fixed seed and cut at 2,000 rows. Of MSL and SMAP, a test of
  more than 5,000 rows is thinned to every second row.
- ROC AUC and average precision are of single rows and are means over files, never point-adjusted. NAB has its
  own score.
- `clock` is the number of the row as the score. On MSL and SMAP it nearly wins, because their anomalies lie
  late: these two groups say little about a detector, and do not count in the mean.
- `maxz` is the largest |z| of the columns by running mean and variance. `maxz-hold` runs it on the record and
  on its moving average, and learns nothing while it is held, as the default detector; tuned on half A.
- **Halves.** The files of a group are sorted by name; even places are half A, odd places half B. Choices were
  made on half A, and half B is what to believe.
- **The same for all.** Each detector is measured as it is, and with its score smoothed over 10 and over 30
  records (an exponential average of the past only). Those that learn record by record are also run with
  learning 32 records late. Which of these counts is chosen per group on half A, and reported on half B.

The peers ran with their own defaults and a seed of 0, except: windows hold 512 rows, and batch detectors are
fitted anew on them every 128 rows; those that bring no scaling get each column standardised by the rows to
learn from, RSHash gets their range, and KitNet learns them. Not run late are KitNet and the batch detectors,
which learn rarely or no more. xStream, RSHash and ECOD take more than a millisecond a record: they are not
run late, nor on NAB, which has as many records as all others together. Versions: {versions}.

## Figures
"""

_GROUPS = {
    "skab": "water loop with valve faults, 8 sensors, 1 Hz (waico/SKAB, GPL-3.0)",
    "asd": "servers, 19 metrics, 5 min (Application Server Dataset, zhhlee/InterFusion, MIT)",
    "smd": "servers, 38 metrics, 1 min (Server Machine Dataset, NetManAIOps/OmniAnomaly, MIT)",
    "msl": "spacecraft, 55 columns, mostly commands (khundman/telemanom)",
    "smap": "spacecraft, 25 columns, mostly commands (khundman/telemanom)",
    "adbench": "tables without an order (Minqi824/ADBench, BSD-2)",
    "nab": "single series with times (numenta/NAB, MIT)",
    "server": "the server of the demo, 19 metrics (Application Server Dataset, MIT)",
    "tables": "breast cancer and digits of scikit-learn, one class made rare; shuttle of river",
}

_TAIL = """\
## Where we lose

On half B, each detector as half A chose:

{behind}

NAB's table has one threshold for all files. "B at A's threshold" is the one to compare by, "all" is how
published figures are made (one threshold, the best for the files that it is judged on).

## Again

`make bench-accuracy` runs on data that is bundled with scikit-learn, river and this project. `DATA=DIR` takes
a directory with `skab/*.csv`, `nab/` as NAB lays it out with its `combined_windows.json`, `asd`, `smd`, `msl`
and `smap` with `.npz` of `X_train`, `X` and `y`, and `adbench` with `.npz` of `X` and `y`; what is missing is
left out. The peers take an hour; their figures are kept, and ours alone takes a minute.
"""


def write(results: report.Results, halves: list[str], versions: set[str], ours: str) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    results : dict
        Of all detectors.
    halves : list of str
        Those to report.
    versions : set of str
        Of the peers' packages.
    ours : str
        Which detector is the project's own.
    """
    groups = "\n".join(
        f"| {name} | {len(group.of('all'))} | {_GROUPS[name]} |" for name, group in results[ours].items()
    )
    packages = ", ".join(sorted(versions)) or "none of them ran"
    head = _HEAD.format(day=date.today().isoformat(), groups=groups, versions=packages)
    tables = "\n".join(report.everything(results, halves))
    return f"{head}\n{tables}\n{_TAIL.format(behind=chr(10).join(report.behind(results, ours)))}"
