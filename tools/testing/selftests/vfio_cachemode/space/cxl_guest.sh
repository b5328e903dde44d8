#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a VM with a CXL host bridge, two root ports and a memory device on the
# second: let the kernel make regions, and compare what libvfiomem reads out of
# the decoders' registers with what the kernel says that it programmed.

modprobe cxl_acpi && modprobe cxl_pci && modprobe cxl_mem || exit 1
cd /sys/bus/cxl/devices || exit 1
i=0
# The memory device, its window, and the endpoint's decoders, of which there are two.
until [ -e mem0 ] && [ -e decoder0.0 ] && set -- decoder*/dpa_size && [ $# -ge 2 ]; do
	i=$((i + 1))
	[ $i -lt 600 ] || { echo "# no memory device"; exit 1; }
	sleep 0.1
done
bdf=$(basename "$(readlink -f mem0/..)")
window=$(cat decoder0.0/start)
endpoint=
for d in decoder*; do [ -e "$d/dpa_size" ] && endpoint=${d%.*}; done
n=0 fail=0

result()	# STATUS NAME
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; fail=1; fi
}

decode()
{
	"$SELFTESTS/cxl_guest" "$bdf" "${1-1}"
}

# What the kernel says of endpoint decoder $1, in the same words.
kernel()
{
	d=$endpoint.$1
	printf '%u 0x%x 0x%x 0x%x\n' "$1" "$(cat "$d/start")" "$(cat "$d/size")" \
		"$(cat "$d/dpa_resource")"
}

region()	# NUMBER SIZE: make a region on endpoint decoder NUMBER
{
	r=$(cat decoder0.0/create_ram_region)
	echo "$r" > decoder0.0/create_ram_region || return 1
	echo ram > "$endpoint.$1/mode" &&
	echo "$2" > "$endpoint.$1/dpa_size" &&
	echo 256 > "$r/interleave_granularity" &&
	echo 1 > "$r/interleave_ways" &&
	echo "$2" > "$r/size" &&
	echo "$endpoint.$1" > "$r/target0" &&
	echo 1 > "$r/commit" || return 1
	eval "region$1=$r"
}

compare()	# NUMBER NAME
{
	echo "# kernel $(kernel "$1"); decoded $(decode | grep "^$1 ")"
	[ "$(decode | grep "^$1 ")" = "$(kernel "$1")" ]
	result $? "$2"
}

gone()		# NUMBER NAME
{
	[ "$(decode | grep "^$1 ")" = "$1 none ENOENT" ]
	result $? "$2"
}

echo "KTAP version 1"
echo "1..7"
gone 0 "nothing is decoded before the kernel programs it"
region 0 0x10000000 && compare 0 "the first region, at the window's start $window"
region 1 0x10000000 && compare 1 "the second region, behind it in the device"
compare 0 "the first one is where it was"
[ "$(decode 0 | grep "^0 ")" = "0 none ENXIO" ]
result $? "the host bridge's decoder says which port, and another one is not it"
# shellcheck disable=SC2154
echo 0 > "$region1/commit"
gone 1 "uncommitted, the second is gone"
# shellcheck disable=SC2154
echo 0 > "$region0/commit"
gone 0 "uncommitted, the first is gone"
[ $n = 7 ] || fail=1
exit $fail
