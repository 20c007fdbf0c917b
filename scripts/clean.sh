#!/usr/bin/env bash
# Stops the demo and removes everything that was built here. Installed files stay.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/scripts/cluster.sh"
"$root/scripts/demo.sh" stop >/dev/null
# Only an interrupted run leaves a cluster.
for cluster in "$target"/{test/cluster,benchmarks}; do
    [[ -L $cluster/run ]] || continue
    use_postgres
    stop_cluster "$cluster"
done
rm -rf "$target"/{demo,log,package,test,tools}
need_cargo
cargo clean --quiet
