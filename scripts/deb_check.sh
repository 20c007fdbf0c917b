#!/usr/bin/env bash
# Tries the package as its user does, in a bare root directory (scripts/root.sh --bare): installs it with the commands of
# docs/installation.md, uses it, installs a later version, and removes it. Prints a line "ok" for each step, as TAP.
set -uo pipefail
cd /src || exit 1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
major=$1
package=postgresql-$major-token-auth
steps=0

# step TEXT COMMAND...
step() {
    local text=$1
    shift
    steps=$((steps + 1))
    if "$@" >/tmp/step.log 2>&1; then
        echo "ok $steps - $package: $text"
    else
        echo "not ok $steps - $package: $text"
        sed 's/^/# /' /tmp/step.log
    fi
}

sql() { runuser -u postgres -- psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "$@"; }
files() { find / -xdev -iname '*token[-_]auth*' -not -path '/src*' -not -path '/etc/apt/*' -not -path '/deb*' -not -path '/tmp/*' -not -path '/proc/*' | sort; }

install_it() { apt-get update && apt-get install --yes "/deb/$package"_*.deb; }

preload() {
    sql --command="ALTER SYSTEM SET shared_preload_libraries = 'token_auth'" && pg_ctlcluster "$major" main restart &&
        # As the tour expects.
        sql --command="ALTER SYSTEM SET token_auth.sweep_interval = '1s'" --command='SELECT pg_reload_conf()'
}

start() { pg_ctlcluster "$major" main start; }

create() { sql --command='CREATE DATABASE shop' && sql --dbname=shop --command='CREATE EXTENSION token_auth'; }

health() { [[ $(sql --dbname=shop --command="SELECT string_agg(name, ' ') FROM token_auth.health() WHERE NOT ok") == '' ]]; }

tour() { sql --command='CREATE DATABASE tour' && sql --dbname=tour --file="/usr/share/doc/$package/examples/tour.sql"; }

keep_a_token() {
    sql --dbname=shop <<'END'
CREATE TABLE public.kept AS
    SELECT secret FROM token_auth.create_token(token_auth.create_account('acme'), 'sender', '{*}', all_domains => true);
END
}

is_kept() { [[ $(sql --dbname=shop --command='SELECT token_auth.token_is_valid(secret) FROM public.kept') == t ]]; }

# The same files under a later version.
install_later() {
    local work
    work=$(mktemp -d)
    dpkg-deb --raw-extract "/deb/$package"_*.deb "$work/tree" &&
        sed -i 's/^Version: .*/&+later/' "$work/tree/DEBIAN/control" &&
        dpkg-deb --root-owner-group --build "$work/tree" "$work/later.deb" &&
        chmod -R a+rX "$work" &&
        apt-get install --yes "$work/later.deb" &&
        [[ $(dpkg-query --show --showformat='${Version}' "$package") == *+later ]]
}

restart() { pg_ctlcluster "$major" main restart; }

remove() {
    sql --dbname=shop --command='DROP EXTENSION token_auth' && sql --command='DROP DATABASE tour' &&
        sql --command='ALTER SYSTEM RESET ALL' && apt-get purge --yes "$package" >/tmp/removed &&
        cat /tmp/removed
}

says_what_is_left() {
    cat /tmp/removed
    grep -q 'DROP ROLE token_auth_owner, token_auth_worker' /tmp/removed && grep -q shared_preload_libraries /tmp/removed &&
        sql --command='DROP ROLE token_auth_owner, token_auth_worker'
}

nothing_is_left() {
    files
    [[ -z $(files) ]]
}

step 'apt installs it with its server' install_it
step 'the cluster starts' start
step 'the library is preloaded' preload
step 'CREATE EXTENSION' create
step 'health() finds nothing wrong' health
step 'the tour runs' tour
step 'a token is made' keep_a_token
step 'apt installs a later version' install_later
step 'after a restart the token verifies' restart
step 'and is the same' is_kept
step 'apt removes it' remove
step 'the removal names what is left' says_what_is_left
step 'no file is left' nothing_is_left
step 'the cluster starts without it' restart
pg_ctlcluster "$major" main stop
