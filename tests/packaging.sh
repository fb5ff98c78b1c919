#!/usr/bin/env bash
# What pip makes of the project: `bash tests/packaging.sh WORKDIR` installs it twice, editable and as a wheel, each in a
# fresh environment, and looks at it from another folder. Ends at the first check that fails.
# Needs python3 with `build` on the path, and a package index.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: bash tests/packaging.sh WORKDIR" >&2; exit 2; }
project=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1/elsewhere" "$1/dist"
work=$(cd "$1" && pwd)
cd "$work/elsewhere"
unset PYTHONPATH VIRTUAL_ENV

check() { # TEXT COMMAND...
    local text=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "ok: $text"
    else
        echo "FAILED: $text" >&2
        cat "$work/said" >&2
        exit 1
    fi
}

says() { # PATTERN COMMAND...: whether a successful command prints a line that matches
    local pattern=$1
    shift
    local said
    said=$("$@" 2>&1) || { echo "$said"; return 1; }
    grep -qE -- "$pattern" <<<"$said" || { echo "no line like $pattern in:"; echo "$said"; return 1; }
}

# What is imported when twistd has found its plugins, and the parts of ours that are loaded when they are used.
lazy='
import sys
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
found = {plugin.tapname: plugin for plugin in getPlugins(IServiceMaker)}
world = {name for name in sys.modules if name.startswith(("sse_twisted.", "numpy", "treq", "msgspec"))}
assert not world, world
assert "twisted.internet.reactor" not in sys.modules
for name in ("sse", "sse-simulator"):
    assert callable(found[name].options), name
    assert callable(found[name].makeService), name
'

complete='
import sys, zipfile
names = set(zipfile.ZipFile(sys.argv[1]).namelist())
for name in sys.argv[2:]:
    assert name in names, f"{name} is missing"
foreign = {name for name in names if not name.startswith(("sse_twisted/", "sse_twisted-", "twisted/plugins/"))}
assert not foreign, foreign
spoilt = {name for name in names if name.endswith((".cache", ".pyc")) or "tests" in name.split("/")}
assert not spoilt, spoilt
packages = {name for name in names if name in ("twisted/__init__.py", "twisted/plugins/__init__.py")}
assert not packages, f"{packages} would hide the real ones"
'

look_at() { # ENVIRONMENT
    local bin=$1/bin
    for program in twistd twist; do
        for plugin in sse sse-simulator; do
            check "$program --help lists $plugin" says "^ +$plugin +[A-Z]" "$bin/$program" --help
        done
    done
    check "twistd sse --version" says "^sse_twisted [0-9]+\.[0-9]+" "$bin/twistd" sse --version
    check "twistd sse --help" says "--event=" "$bin/twistd" sse --help
    check "twistd sse-simulator --help" says "--fault=" "$bin/twistd" sse-simulator --help
    check "sse-track --help" says "--gpx-version" "$bin/sse-track" --help
    check "sse-results --help" says "--compare FILE" "$bin/sse-results" --help
    check "twistd --help does not import the world; options and makeService load" "$bin/python" -c "$lazy"
    check "what is installed fits together" "$bin/python" -m pip check
}

echo "-- editable"
python3 -m venv "$work/editable"
"$work/editable/bin/python" -m pip install --quiet --disable-pip-version-check -e "$project"
look_at "$work/editable"
check "the plugins' cache is beside them, where a careless wheel would take it up" \
    test -f "$project/twisted/plugins/dropin.cache"

echo "-- wheel"
python3 -m build --outdir "$work/dist" "$project" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
wheel=$(echo "$work"/dist/*.whl)
mapfile -t plugins < <(cd "$project" && ls twisted/plugins/*.py)
mapfile -t files < <(cd "$project" && find sse_twisted -type f ! -path "*/__pycache__/*")
check "the wheel has every file of the package, the plugins and py.typed, and no tests or caches" \
    python3 -c "$complete" "$wheel" sse_twisted/py.typed "${plugins[@]}" "${files[@]}"
python3 -m venv "$work/wheel"
"$work/wheel/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
look_at "$work/wheel"
check "the installed package is the wheel's" \
    says "^$work/wheel/" "$work/wheel/bin/python" -c "import sse_twisted; print(sse_twisted.__file__)"
