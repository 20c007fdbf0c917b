#!/usr/bin/env bash
# Stops the demo and removes everything that was built here. Installed files stay, and so does what the tests got.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/scripts/cluster.sh"
"$root/scripts/demo.sh" stop >/dev/null
# Only an interrupted run leaves a cluster.
for cluster in "$target"/{test/cluster,pg16/test/cluster,benchmarks,bench}; do
    [[ -L $cluster/run ]] || continue
    use_postgres
    stop_cluster "$cluster"
done
rm -rf "$target"/{demo,log,package,deb,clients,assert,assert-server,pg16,test,tools}
need_cargo
cargo clean --quiet
