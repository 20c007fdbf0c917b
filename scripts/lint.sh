#!/usr/bin/env bash
# Formatting and lints, without changing anything.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
"$root/scripts/setup.sh"
need_cargo
use_postgres
cargo fmt --version >/dev/null 2>&1 || fail "cargo fmt is missing. With rustup: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || fail "cargo clippy is missing. With rustup: rustup component add clippy"

failed=()
say "cargo fmt"
cargo fmt --all --check || failed+=(fmt)
say "cargo clippy"
features=$pg_feature,token_auth_cluster_tests/assertions,token_auth_cluster_tests/clients,token_auth_cluster_tests/packages,token_auth_cluster_tests/upgrade
cargo clippy --quiet --locked --workspace --all-targets --no-default-features --features "$features" -- -D warnings || failed+=(clippy)
if command -v shellcheck >/dev/null; then
    say "shellcheck"
    shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh bench/*.sh packaging/debian/postrm .ci/run || failed+=(shellcheck)
else
    note "shellcheck is not here: the scripts are not checked"
fi
((${#failed[@]} == 0)) || fail "lint failed: ${failed[*]}"
