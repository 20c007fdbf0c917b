#!/usr/bin/env bash
# Runs every suite for the PostgreSQL of this machine, and for each other version the suites that touch what differs between
# versions. Ends with a line for each version, what was skipped, and the sum "N passed, N failed".
set -uo pipefail
. "$(dirname "$0")/lib.sh"
passed=0 failed=0 lines=() skipped=()

main() {
    local own major
    mkdir -p "$logs"
    if ! "$root/scripts/setup.sh"; then
        echo "0 passed, 1 failed"
        exit 1
    fi
    use_postgres
    own=$pg_major
    run "$own" "$root/scripts/test.sh"
    for major in $(printf '%s\n' "${supported_majors[@]}" | sort -n); do
        if [[ $major != "$own" ]]; then
            run "$major" env -u PG_CONFIG PG="$major" SUITE="regress isolation cluster" "$root/scripts/test.sh"
        fi
    done
    printf '\n'
    printf '%s\n' "${lines[@]}"
    if ((${#skipped[@]})); then
        printf '%s\n' "${#skipped[@]} skipped, which count nowhere:" "${skipped[@]/#/    }"
    fi
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

# run MAJOR COMMAND...: a run that prints no sum, because it could not begin or was interrupted, has failed.
run() {
    local major=$1 log=$logs/test-$1.log status=0 began=$SECONDS sum good=0 bad=0 line
    shift
    printf '\n'
    say "PostgreSQL $major"
    "$@" 2>&1 | tee "$log" || status=$?
    sum=$(tail -n 1 "$log")
    if ((status == skip_status)); then
        lines+=("PostgreSQL $major: skipped")
        skipped+=("PostgreSQL $major: $sum")
        return
    fi
    while read -r line; do
        skipped+=("PostgreSQL $major: $line")
    done < <(sed -n 's/^skipped: //p' "$log")
    if [[ $sum =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        good=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
    fi
    if ((status != 0 && bad == 0)); then bad=1; fi
    passed=$((passed + good))
    failed=$((failed + bad))
    lines+=("PostgreSQL $major: $good passed, $bad failed")
    note "PostgreSQL $major took $(in_words $((SECONDS - began)))."
}

# Otherwise an interrupted run would be followed by that of the next version.
trap 'exit 130' INT TERM
main
