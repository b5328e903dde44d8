# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For suites that are shell scripts: results of their own, and of programs.
# Sourced from the project's root.

vfiomem=tools/testing/selftests/vfio_cachemode/vfiomem
out=build/selftests/vfiomem
count=0 failed=0

# Several suites build the same things, and run at the same time.
build() {	# MAKE ARGUMENTS...
	mkdir -p "$out"
	flock "$out/.lock" make -s -C "$vfiomem" "$@" >&2
}

result() {	# 0|1 NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count $2"
	else
		failed=$((failed + 1))
		echo "not ok $count $2"
	fi
}

skip() {	# NAME WHY
	count=$((count + 1))
	echo "ok $count $1 # SKIP $2"
}

# A check that says something only when it fails.
expect() {	# NAME COMMAND...
	local name=$1 said status=0
	shift
	said=$("$@" 2>&1) || status=1
	[ "$status" = 0 ] || printf '%s\n' "$said" | sed 's/^/# /' | head -n 40
	result "$status" "$name"
}

# A program that prints KTAP.
nested() {	# NAME COMMAND...
	local name=$1 log status=0
	shift
	log=$(mktemp)
	"$@" > "$log" 2>&1 || status=1
	sed 's/^/  /' "$log"
	if ! grep -Eq '^1\.\.[1-9]' "$log"; then
		echo "# $name: no plan"
		status=1
	fi
	if [ "$status" = 0 ] && ! awk '/^ok / && !/# SKIP/ { ran = 1 } END { exit !ran }' "$log"; then
		skip "$name" 'nothing in it could run here'
	else
		result "$status" "$name"
	fi
	rm -f "$log"
}

finish() {
	echo "1..$count"
	[ "$failed" = 0 ] && exit 0
	exit 1
}

echo 'KTAP version 1'
