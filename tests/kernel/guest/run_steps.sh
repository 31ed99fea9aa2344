#!/bin/bash
# What runs in the guest: makes the interfaces, loads the module, runs the programs of <folder>/steps one after another.
# Says what happens in lines that begin with @@; tests/kernel/guest_tests.py reads them. Usage: run_steps.sh <folder>
#
#   nmt0, nmt1          taps, never up
#   nmva <---> nmvb     veth, two queues each, up
#   nmp0 <-hub-> nmp1   virtio-net, where the machine has them, up
folder=$1

cd /run || exit 1
cp "$folder"/nmjit.ko "$folder"/t_* /run/
dmesg -n 8

for module in tun veth virtio_net dummy bridge 8021q macvlan; do modprobe -q "$module"; done
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
ip tuntap add nmt0 mode tap
ip tuntap add nmt1 mode tap
ip link add nmva numtxqueues 2 numrxqueues 2 type veth peer name nmvb numtxqueues 2 numrxqueues 2
ip link set nmva address 02:00:00:00:02:0a up
ip link set nmvb address 02:00:00:00:02:0b up
for number in 0 1; do
	device=$(ip -o link | awk -F ': ' -v mac="02:00:00:00:01:0$((number + 1))" '$0 ~ mac { print $2 }')
	[ -n "$device" ] && ip link set "$device" down && ip link set "$device" name "nmp$number" && ip link set "nmp$number" up
done
ip link set lo up

echo 'nmjit-tests: begin' >/dev/kmsg
[ -e /sys/kernel/debug/kmemleak ] && echo clear >/sys/kernel/debug/kmemleak

loaded=none
unload() { rmmod nmjit 2>&1; }
while IFS=$'\t' read -r parameters program arguments; do
	if [ "$parameters" != "$loaded" ]; then
		if [ "$loaded" != none ] && ! why=$(unload); then echo "@@ unload $why"; exit 1; fi
		words=$parameters
		[ "$words" = - ] && words=
		# shellcheck disable=SC2086 # parameters are words
		if ! why=$(insmod ./nmjit.ko $words 2>&1); then
			echo "@@ load $why $(dmesg | tail -n 5)"
			exit 1
		fi
		loaded=$parameters
	fi
	echo "@@ step $program"
	echo "nmjit-tests: $program" >/dev/kmsg
	# shellcheck disable=SC2086
	"./$program" $arguments 2>&1
	echo "@@ exit $?"
done <"$folder/steps"

why=$(unload) && why=0
echo "@@ unload $why"
if [ -e /sys/kernel/debug/kmemleak ]; then
	for _ in 1 2; do sleep 6; echo scan >/sys/kernel/debug/kmemleak; done
	leaks=$(tr '\n' ' ' </sys/kernel/debug/kmemleak)
	echo "@@ leaks ${leaks:-none}"
else
	echo '@@ no-kmemleak'
fi
