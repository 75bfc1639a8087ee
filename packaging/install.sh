#!/bin/sh
# Installs kyori into a directory of its own and compiles its kernels, so that nothing has to be written there later:
#   packaging/install.sh PREFIX CACHE [WHAT]
# WHAT is a wheel or a source tree, also with extras as in `dist/kyori-0.1.0-py3-none-any.whl[kafka]`; default: this
# tree. The versions are those of requirements.lock. The Containerfile runs this, and so does .ci/run.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
prefix=${1:?the directory to install to} cache=${2:?the directory for compiled kernels} what=${3:-$tree}

python3 -m venv "$prefix"
"$prefix/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --no-compile \
  --constraint "$tree/requirements.lock" "$what"
"$prefix/bin/pip" uninstall --quiet --yes pip setuptools 2> /dev/null # nothing is installed afterwards

# What was compiled counts as long as its source has the same time, and an image keeps whole seconds only.
find "$prefix" -name '*.py' -exec touch -d '2020-02-02 00:00:00 UTC' {} +
"$prefix/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$prefix/lib" > /dev/null || true

mkdir -p "$cache"
NUMBA_CACHE_DIR=$(cd "$cache" && pwd) "$prefix/bin/python" "$tree/packaging/compile.py"
