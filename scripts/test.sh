#!/usr/bin/env bash
# Runs the test suites, one after another, and ends with the line "N passed, N failed".
#   test.sh               builds, installs, and tests on scratch clusters
#   test.sh installcheck  tests the installed extension on the running server that PGHOST, PGPORT and PGUSER name
# SUITE="core regress" chooses suites; TESTS="a b" chooses test files of the regress (or isolation) suite.
# PG=17 tests for PostgreSQL 17: on this machine if it has that server, or its Debian ships it, otherwise in the release that does.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/scripts/cluster.sh"

mode=${1:-test}
results=$target/test
scratch=$results/cluster

main() {
    local suite suites all_passed=0 all_failed=0 all_skipped=0 table=() installed
    choose_suites
    choose_server
    need_target
    mkdir -p "$results" "$logs"
    # Two would stop each other's clusters.
    hold "$results/lock"
    if [[ $mode == test ]]; then "$root/scripts/setup.sh"; else use_postgres; fi
    if [[ " ${suites[*]} " == *" cluster "* ]]; then "$root/scripts/test_tools.sh"; fi
    for suite in "${suites[@]}"; do
        if [[ $mode == test && $suite != @(core|assertions|upgrade|deb) ]]; then install_once; fi
        run_suite "$suite"
    done
    printf '\n'
    say "Summary"
    printf '    %s\n' "${table[@]}"
    ((all_skipped == 0)) || note "$all_skipped skipped, which count nowhere"
    echo "$all_passed passed, $all_failed failed"
    ((all_failed == 0))
}

choose_suites() {
    local of_server="core regress isolation cluster assertions" of_machine="clients packages upgrade deb" all name
    all="$of_server $of_machine"
    [[ $mode != installcheck ]] || all="regress isolation"
    read -ra suites <<<"${SUITE:-${TESTS:+regress}}"
    # In a root directory of another release only what depends on the server, unless it is asked for.
    ((${#suites[@]})) || read -ra suites <<<"$([[ -n ${IN_ROOT:-} ]] && echo "$of_server" || echo "$all")"
    for name in "${suites[@]}"; do
        [[ " $all " == *" $name "* ]] || fail "there is no suite $name here; choose from: $all"
    done
}

choose_server() {
    local config
    [[ -n ${PG:-} ]] || return 0
    is_supported "$PG" || fail "token_auth supports PostgreSQL 15 to 18, not $PG."
    config=$(debian_pg_config "$PG")
    if ! has_headers "$config" && [[ $PG == 16 ]]; then
        config=$("$root/scripts/wheel_server.sh")
        # A build for another server begins again in the same directory.
        exec env -u PG PG_CONFIG="$config" CARGO_TARGET_DIR="$target/pg16" "$root/scripts/test.sh"
    fi
    if has_headers "$config" || [[ $(release_of "$PG") == "$(this_release)" ]]; then
        export PG_CONFIG=$config
    else
        exec env -u PG "$root/scripts/root.sh" "$PG" scripts/test.sh
    fi
}

install_once() {
    if [[ -z ${installed:-} ]]; then
        installed=no
        if "$root/scripts/install.sh"; then installed=yes; fi
        if [[ $installed == yes ]]; then use_postgres; fi
    fi
}

run_suite() {
    local suite=$1 log=$results/$1.log began=$SECONDS status=0 passed failed skipped line
    printf '\n'
    say "Suite $suite"
    if [[ $suite != @(core|assertions|upgrade|deb) && ${installed:-yes} == no ]]; then
        echo "not run: token_auth could not be built and installed" >"$log"
        cat "$log"
        status=1
    else
        # Without the lock: a server that a killed test leaves would hold it.
        "suite_$suite" 2>&1 9>&- | tee "$log" || status=$?
    fi
    read -r passed failed < <(count "$suite" "$log")
    if ((status == skip_status && passed + failed == 0)); then
        status=0
        echo "skipped: the suite $suite on this machine: $(tail -n 1 "$log")" | tee -a "$log"
    fi
    skipped=$(grep -c '^skipped: ' "$log") || true
    # A suite that crashed, did not build or found no test has not passed.
    if ((failed == 0 && (status != 0 || passed + skipped == 0))); then
        ((status)) || echo "No test was run."
        failed=1
    fi
    all_passed=$((all_passed + passed))
    all_failed=$((all_failed + failed))
    all_skipped=$((all_skipped + skipped))
    line=$(printf '%-11s %4d passed %4d failed   %s' "$suite" "$passed" "$failed" "$(in_words $((SECONDS - began)))")
    if ((skipped)); then line+=", $skipped skipped"; fi
    table+=("$line")
}

# Prints how many passed and how many failed. PostgreSQL 15 prints "test name ... ok", 16 and later TAP.
count() {
    case $1 in
        core | cluster | assertions | clients | packages | upgrade)
            awk '/^test result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i - 1); if ($i ~ /^failed/) f += $(i - 1) } }
                 END { print p + 0, f + 0 }' "$2"
            ;;
        *)
            awk '/^(test|    ) .* \.\.\. ok/ || /^ok [0-9]+ / { p++ }
                 /^(test|    ) .* \.\.\. FAILED/ || /^not ok [0-9]+ / { f++ }
                 END { print p + 0, f + 0 }' "$2"
            ;;
    esac
}

suite_core() {
    need_cargo
    cargo test --locked -p token_auth_core --no-fail-fast
}

suite_cluster() {
    local chosen=() binary
    need_cargo
    if [[ ! -e $("$pg_config" --sharedir)/extension/pg_stat_statements.control ]]; then
        echo "skipped: the tests of leaks, which read pg_stat_statements: this server has nothing of contrib"
        for binary in tests/cluster/tests/*/main.rs; do
            binary=$(basename "$(dirname "$binary")")
            [[ " leaks clients migrating packages upgrade " == *" $binary "* ]] || chosen+=(--test "$binary")
        done
    fi
    cargo test --locked -p token_auth_cluster_tests "${chosen[@]}" --no-fail-fast
}

# The tests that work with PostgreSQL's own structures, on a server that checks them with assertions.
suite_assertions() {
    local server listed module
    local binaries=(cache identity permission sealing server worker)
    local modules=(discarded authenticate foreign_code own_roles erase reinstall_stress held)
    need_cargo
    server=$("$root/scripts/assert_server.sh") || return
    export PG_CONFIG=$server
    CARGO_TARGET_DIR=$target/assert "$root/scripts/install.sh" || return
    set -- test --locked -p token_auth_cluster_tests --features assertions "${binaries[@]/#/--test=}"
    listed=$(cargo "$@" -- --list "${modules[@]/%/::}") || return
    for module in "${modules[@]}"; do
        grep -q "^$module::" <<<"$listed" || fail "the suite assertions has no test in $module"
    done
    cargo "$@" --no-fail-fast -- "${modules[@]/%/::}"
}

# The examples of docs/clients.md, docs/leaks.md and docs/migrating.md.
suite_clients() {
    need_cargo
    "$root/scripts/client_tools.sh" || return
    cargo test --locked -p token_auth_cluster_tests --features clients --test clients --test migrating --no-fail-fast
}

# What scripts/build.sh made, beside what cargo-pgrx makes.
suite_packages() {
    local programs
    need_cargo
    programs=$("$root/scripts/package_tools.sh") || return
    CARGO_PGRX=${programs%$'\n'*} PGXN_META=${programs#*$'\n'} PG_MAJOR=$pg_major TARGET=$target \
        cargo test --locked -p token_auth_cluster_tests --features packages --test packages --no-fail-fast
}

# pg_upgrade, and dump and restore, from each server to each later one. They stand beside each other in a root directory with the
# release of the latest, also on a machine with this release: its package sources are not changed.
suite_upgrade() {
    local servers
    if [[ -z ${IN_ROOT:-} || $(this_release) != "$(release_of 18)" ]]; then
        TESTS='' SUITE=upgrade "$root/scripts/root.sh" 18 scripts/test.sh
        return
    fi
    need_cargo
    servers=$("$root/scripts/upgrade_servers.sh") || return
    # It prints which upgrades it skipped.
    SERVERS=$servers cargo test --locked -p token_auth_cluster_tests --features upgrade --test upgrade --no-fail-fast -- --nocapture
}

# The packages of the releases of Debian, each installed, used and removed in a bare root directory.
suite_deb() {
    local major status failed=0
    for major in $(printf '%s\n' "${supported_majors[@]}" | sort -n); do
        release_of "$major" >/dev/null || continue
        status=0
        env -u PG_CONFIG PG="$major" "$root/scripts/deb.sh" && "$root/scripts/root.sh" --bare "$major" scripts/deb_check.sh "$major" ||
            status=$?
        case $status in
            0) ;;
            "$skip_status") echo "skipped: the package for PostgreSQL $major" ;;
            *) failed=1 ;;
        esac
    done
    return "$failed"
}

suite_regress() { on_server regress sql pg_regress; }
suite_isolation() { on_server isolation spec pg_isolation_regress; }

on_server() {
    local status=0
    if [[ $mode == test ]]; then
        stop_cluster "$scratch"
        start_cluster "$scratch" \
            "shared_preload_libraries = 'token_auth'" \
            "token_auth.databases = 'postgres'" \
            "fsync = off"
    fi
    pg_regress "$@" || status=$?
    if [[ $mode == test ]]; then
        cp "$cluster_log" "$results/$1-server.log"
        stop_cluster "$scratch"
    fi
    return "$status"
}

# pg_regress DIRECTORY EXTENSION PROGRAM: tests/DIRECTORY/{sql,specs}/*.EXTENSION against their expected output.
pg_regress() {
    local input=$root/tests/$1 output=$results/$1 program status=0 chosen
    program=$(dirname "$("$pg_config" --pgxs)")/../test/${1}/$3
    [[ -x $program ]] || fail "$3 is missing ($program); it comes with the server's development package."
    rm -rf "$output"
    mkdir -p "$output"
    if [[ -n ${TESTS:-} ]]; then
        read -ra chosen <<<"$TESTS"
        # It creates the roles that the others use.
        if [[ $1 == regress && ${chosen[0]} != roles ]]; then chosen=(roles "${chosen[@]}"); fi
    else
        read -rd '' -a chosen < <(sed 's/#.*//; s/^test://' "$input/schedule") || true
        every_file_is_scheduled "$input" "$2" "${chosen[@]}" || status=1
    fi
    "$program" --bindir="$pg_bin" --inputdir="$input" --outputdir="$output" --dbname="token_auth_$1" \
        --load-extension=token_auth --encoding=UTF8 --no-locale "${chosen[@]}" || status=$?
    if [[ -s $output/regression.diffs ]]; then
        say "The first 200 lines of $output/regression.diffs"
        head -n 200 "$output/regression.diffs"
    fi
    return "$status"
}

# A file that is in no schedule would never run.
every_file_is_scheduled() {
    local file name status=0
    for file in "$1"/{sql,specs}/*."$2"; do
        [[ -e $file ]] || continue
        name=$(basename "$file" ".$2")
        if [[ " ${*:3} " != *" $name "* ]]; then
            echo "$file is not in $1/schedule"
            status=1
        fi
    done
    return "$status"
}

# Make passes on an interrupt a second time, which must not interrupt this function.
clean_up() {
    trap "" INT TERM
    [[ -z ${pg_bin:-} ]] || stop_cluster "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
main
