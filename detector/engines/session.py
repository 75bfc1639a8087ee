"""A Spark session as kyori needs it: Java 17, RocksDB for the state, one thread for each worker's arrays."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.extras import lacking
from detector.errors import KyoriError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
_PACKAGES = ("pyspark", "pandas", "pyarrow", "google.protobuf")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_LOOPBACK = "127.0.0.1"
_BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For a Java that ends soon: it compiles little."""
_ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


def check_installed() -> None:
    """Look whether the extra and Java are there; raise `KyoriError` with what to do if not."""
    for package in _PACKAGES:
        top = package.partition(".")[0]
        missing = lacking(top, "spark", "kyori spark") or lacking(package, "spark", "kyori spark")
        if missing:
            raise KyoriError(missing)
    found = _java()
    if found < OLDEST_JAVA:
        there = f"there is Java {found}" if found else "there is no Java"
        raise KyoriError(
            f"kyori spark needs Java {OLDEST_JAVA} or newer; {there}. Install it, as by "
            f"apt-get install openjdk-{OLDEST_JAVA}-jre-headless, or let JAVA_HOME name where it is"
        )


def _java() -> int:
    """Return the major version of Java that Spark would start, 0 = none."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    if program is None:
        return 0
    try:
        told = subprocess.run(  # noqa: S603 - the user's own Java
            [program, "-version"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(version[1]) if version else 0


@contextmanager
def session(master: str, name: str, partitions: int = 0) -> Iterator[SparkSession]:
    """Give a session at this master, and end it.

    Parameters
    ----------
    master : str
        As ``local[2]``, ``local-cluster[2,1,1024]``, ``spark://host:7077`` or ``yarn``. Of the first two
        all listen on the loopback only.
    name : str
        Of the application.
    partitions : int
        Of the state, at the first start of a query; 0 = as Spark is configured.

    Raises
    ------
    KyoriError
        The extra or Java is missing, or Spark does not start.
    """
    check_installed()
    _set_environment(master)
    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415 - not before the environment is set
    from pyspark.sql import SparkSession  # noqa: PLC0415

    builder = SparkSession.builder.master(master).appName(name)
    for option, value in _options(master, partitions).items():
        builder = builder.config(option, value)
    try:
        spark = builder.getOrCreate()
    except (PySparkException, Py4JError, OSError, RuntimeError) as error:
        said = str(error).strip().partition("\n")[0]
        raise KyoriError(f"Spark does not start at {master}: {said}") from None
    try:
        spark.sparkContext.setLogLevel("ERROR")
        yield spark
    finally:
        spark.stop()


def _set_environment(master: str) -> None:
    """Say which Python the workers are, and where."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers take the system's
    if _local(master):
        os.environ.setdefault("SPARK_LOCAL_IP", _LOOPBACK)
        if "SPARK_HOME" not in os.environ:
            os.environ["SPARK_HOME"] = str(_home())


def _home() -> Path:
    """Return a home of Spark that its workers may write to, until this process ends.

    The installed one may be read-only, and is not the place for their logs. Spark would also have each worker
    import its packed copy of pyspark, which takes four times as long as the installed one: on a busy
    machine longer than it waits for a worker.
    """
    import pyspark  # noqa: PLC0415

    home = Path(tempfile.mkdtemp(prefix="kyori-spark-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name not in ("work", "python"):
            (home / part.name).symlink_to(part)
    return home


def _options(master: str, partitions: int) -> dict[str, str]:
    """Return what is set for a session; of the rest Spark's own configuration decides."""
    options = {
        "spark.sql.streaming.stateStore.providerClass": _ROCKSDB,
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",  # an open port without a password
        "spark.ui.showConsoleProgress": "false",
    }
    if partitions:
        options["spark.sql.shuffle.partitions"] = str(partitions)
    if _local(master):
        options |= {"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}
    if _is_trial(master):
        options |= {f"spark.{who}.extraJavaOptions": _BRIEF for who in ("driver", "executor")}
    of_workers = dict.fromkeys(_THREADS, "1")
    if "NUMBA_CACHE_DIR" in os.environ:
        of_workers["NUMBA_CACHE_DIR"] = os.environ["NUMBA_CACHE_DIR"]
    elif not os.access(Path(__file__).parents[1], os.W_OK):  # else numba keeps it beside the source
        of_workers["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"kyori-numba-{os.getuid()}")
    return options | {f"spark.executorEnv.{name}": value for name, value in of_workers.items()}


def _local(master: str) -> bool:
    return master.startswith("local")


def _is_trial(master: str) -> bool:
    """Tell whether it is a cluster of processes on this machine, which is there to try things with."""
    return master.startswith("local-cluster")
