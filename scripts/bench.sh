#!/usr/bin/env bash
# Measures token_auth on a scratch cluster, which it removes, and writes docs/benchmarks.md.
#   bench.sh [--repeats N] [--seconds S] [--quick] [--out DIR] [--only NAME,...] [--dry-run]
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/scripts/cluster.sh"
scratch=$target/benchmarks

main() {
    "$root/scripts/install.sh"
    need_cargo
    use_postgres
    mkdir -p "$logs"
    step "Building the benchmark" "$logs/bench-build.log" cargo build --release --locked -p token_auth_bench
    # A mistake in the options is reported before a cluster is started.
    "$target/release/token_auth_bench" "$@" --dry-run
    stop_cluster "$scratch"
    say "Starting a scratch cluster in $scratch"
    # Neither the worker nor a checkpoint disturbs the measurements. A cluster in use has both.
    start_cluster "$scratch" \
        "shared_preload_libraries = 'token_auth'" \
        "token_auth.databases = 'none'" \
        "max_connections = 400" \
        "shared_buffers = '$(fourth_of_memory)MB'" \
        "max_wal_size = '16GB'" \
        "checkpoint_timeout = '1h'" \
        "maintenance_work_mem = '512MB'" \
        "autovacuum = off" \
        "fsync = on" \
        "synchronous_commit = on" \
        "jit = off"
    "$target/release/token_auth_bench" "$@"
}

fourth_of_memory() { awk '/^MemTotal:/ { print int($2 / 4 / 1024) }' /proc/meminfo; }

# Make passes on an interrupt a second time, which must not interrupt this function.
clean_up() {
    trap "" INT TERM
    [[ -z ${pg_bin:-} ]] || stop_cluster "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
main "$@"
