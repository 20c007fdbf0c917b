#!/usr/bin/env bash
# Stops the demo and removes what was built here. What was installed stays.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/scripts/cluster.sh"
"$root/scripts/demo.sh" stop >/dev/null
# Only an interrupted run leaves one.
if [[ -L $target/test/cluster/run ]]; then
    use_postgres
    stop_cluster "$target/test/cluster"
fi
rm -rf "$target"/{demo,log,package,test,tools}
need_cargo
cargo clean --quiet
