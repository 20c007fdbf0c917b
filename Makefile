# PG_CONFIG chooses the server to build for, as with any PostgreSQL extension. Without it, it is the newest one with headers.
export PG_CONFIG PG SUITE TESTS

help:
	@echo 'make demo          install what is missing, build, and see token_auth at work on a scratch cluster'
	@echo 'make demo-stop     stop that cluster and remove it'
	@echo 'make test          run all tests; SUITE="core regress isolation cluster assertions clients packages upgrade deb" and TESTS="name ..." choose;'
	@echo '                   PG=17 tests for that PostgreSQL, in the release of Debian that ships it'
	@echo 'make test-all      run all tests, and for each other version those that depend on the server (an hour)'
	@echo 'make deb           build the Debian package, for PostgreSQL NN with PG=NN'
	@echo 'make dist          pack what is committed for PGXN'
	@echo 'make lint          check formatting, run the lints'
	@echo 'make bench         measure verifications and more on a scratch cluster, write docs/benchmarks.md (over an hour)'
	@echo 'make setup         only install what the build needs (PostgreSQL, clang)'
	@echo 'make install       build, and install into the server of PG_CONFIG'
	@echo 'make installcheck  test the installed extension on the running server of PGHOST, PGPORT, PGUSER'
	@echo 'make clean         stop the demo, remove what was built here; what the tests got stays in /var/cache/token_auth and ~/.cache/token_auth'

# What PGXN's client runs before `make install`.
all: build

setup build install lint test demo bench deb dist:
	@scripts/$@.sh

test-all:
	@scripts/test_all.sh

installcheck:
	@scripts/test.sh installcheck

demo-stop:
	@scripts/demo.sh stop

clean:
	@scripts/clean.sh

.PHONY: help all build deb dist setup install lint test test-all demo bench installcheck demo-stop clean
