#!/usr/bin/env bash
# Builds the Debian package for the server of $PG_CONFIG, or for PostgreSQL NN with PG=NN: target/deb/postgresql-NN-token-auth_*.deb.
# DEBFULLNAME and DEBEMAIL name its maintainer.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
debs=$target/deb

main() {
    local package
    if [[ -n ${PG:-} ]]; then
        if [[ $(release_of "$PG") != "$(this_release)" ]]; then
            env -u PG "$root/scripts/root.sh" "$PG" scripts/deb.sh
            mkdir -p "$debs"
            rm -f "$debs/postgresql-$PG-token-auth"_*
            cp "$roots/$(release_of "$PG")/build/deb/postgresql-$PG-token-auth"_*.deb "$debs"
            return
        fi
        PG_CONFIG=$(debian_pg_config "$PG")
        export PG_CONFIG
    fi
    grep -qs '^ID=debian' /etc/os-release || fail "packages are built on Debian."
    "$root/scripts/build.sh"
    use_postgres
    package=postgresql-$pg_major-token-auth
    [[ $("$pg_config" --pkglibdir) == "/usr/lib/postgresql/$pg_major/lib" ]] ||
        fail "$pg_config is of no server that Debian's packages install; the package would not fit one."
    command -v dh >/dev/null && command -v dpkg-buildpackage >/dev/null && command -v lintian >/dev/null ||
        install_packages debhelper dpkg-dev lintian
    need_cargo
    # debhelper knows no spaces in a path.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/build"
    prepare "$work/build/debian"
    # Without a package of debugging symbols: the library has none.
    step "Building the package for PostgreSQL $pg_major" "$logs/deb.log" \
        env -C "$work/build" DEB_BUILD_OPTIONS=noautodbgsym MAJOR="$pg_major" PACKAGE="$target/package/$pg_feature" SOURCE="$root" \
        dpkg-buildpackage --build=binary --no-sign
    mkdir -p "$debs"
    rm -f "$debs/$package"_*
    mv "$work/$package"_*.deb "$debs"
    lintian --fail-on error,warning "$debs/$package"_*.deb
    note "$debs/$package"_*.deb
}

prepare() {
    local debian=$1 maintainer="${DEBFULLNAME:-The token_auth developers} <${DEBEMAIL:-token_auth@localhost.localdomain}>"
    cp -r packaging/debian "$debian"
    mv "$debian/postrm" "$debian/$package.postrm"
    mv "$debian/lintian-overrides" "$debian/$package.lintian-overrides"
    sed -i "s/@MAJOR@/$pg_major/; s/@MAINTAINER@/$(sed 's/[\\/&]/\\&/g' <<<"$maintainer")/" \
        "$debian/control" "$debian/$package".*
    printf 'token-auth (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date --rfc-email --date="@${SOURCE_DATE_EPOCH:-$(newest_source)}")" >"$debian/changelog"
    copyright >"$debian/copyright"
}

# The time of the newest file, so that a second build in a checkout gives the same package.
newest_source() {
    find Cargo.* CHANGELOG.md README.md SECURITY.md token_auth.control core docs examples packaging sql src -type f -printf '%Ts\n' |
        sort -n | tail -n 1
}

copyright() {
    echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
    echo 'Upstream-Name: token_auth'
    echo
    echo 'Files: *'
    echo 'Copyright: 2026, the token_auth developers'
    echo 'License: PostgreSQL'
    sed '1,4d; s/^$/./; s/^/ /' LICENSE
    echo 'Comment:'
    echo ' The library contains these crates, each under its own licence:'
    cargo tree --locked --prefix none --edges normal,no-proc-macro --no-default-features --features "$pg_feature" --format ' {p} {l}' |
        sed 's/ (\*)//; /^ token_auth/d; s/(\/[^)]*)//' | sort -u
}

main
