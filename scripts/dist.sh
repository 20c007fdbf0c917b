#!/usr/bin/env bash
# Packs what is committed for PGXN (https://pgxn.org): target/token_auth-VERSION.zip.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_target
archive=$target/token_auth-$version.zip
git archive --format=zip --prefix="token_auth-$version/" --output="$archive" HEAD
note "$archive"
