#!/bin/sh
# Prints the Python that .venv is made with: 3.11 to 3.13, with venv and ensurepip.
# Usage: find_python.sh [PYTHON]     the one that was asked for, or the first that fits
set -eu

version() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

# A program on the path is no proof: a version manager's shim may refuse to run.
fits() { case "$1" in 3.11.* | 3.12.* | 3.13.*) return 0 ;; *) return 1 ;; esac; }

found=""
for candidate in ${1:-python3 python3.12 python3.11 python3.13}; do
    this=$(version "$candidate") || continue
    found="$found $candidate is $this;"
    fits "$this" || continue
    if ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        found="$found it lacks venv or ensurepip (on Debian: apt-get install python3-venv);"
        continue
    fi
    command -v "$candidate"
    exit 0
done

{
    echo "pointsman needs Python 3.11, 3.12 or 3.13, with venv and ensurepip."
    echo "Found:${found:- none of ${1:-python3, python3.12, python3.11, python3.13} runs}"
    echo "Name another one with: make install PYTHON=/path/to/python3.12"
} >&2
exit 1
