#!/usr/bin/env bash
# Stops the demo and removes what was built here. What was installed stays.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
"$root/scripts/demo.sh" stop >/dev/null
rm -rf "$target"/{demo,log,package,test}
need_cargo
cargo clean --quiet
