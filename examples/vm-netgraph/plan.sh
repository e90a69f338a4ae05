#!/bin/sh
# plan.sh — the test plan of bhyve's netgraph backend: two machines and the host on one ng_bridge(4).
#
#     sh make-image.sh freebsd-0.img && cp freebsd-0.img freebsd-1.img
#     netloom daemon &
#     netloom tools install ~/netloom-tools
#     PATH=~/netloom-tools:$PATH sh plan.sh
#
# The commands are those of the plan (FreeBSD's review D24620), the machines are QEMU's, and their disks lie in the present folder. Any disk will do that boots
# with a shell on its serial line; make-image.sh makes one. What is typed in the machines is typed on their consoles.
set -eu
NETLOOM=${NETLOOM:-netloom}
SECONDS_MAX=${SECONDS_MAX:-120}
vmrun=$(command -v vmrun.sh)

# The host: an interface, a bridge on its hook, the bridge's name.
ngctl mkpeer . eiface test ether
ngctl mkpeer ngeth0: bridge ether link99
ngctl name ngeth0:ether vmbridge
ifconfig ngeth0 192.168.1.1/24 up

# The machines, each in the background with its console in a file as well.
sh "$vmrun" -c 4 -m 1024M -t netgraph,socket=vm0,path=vmbridge:,hook=vm0link,peerhook=link0 -d freebsd-0.img freebsd-0 </dev/null >freebsd-0.log 2>&1 &
sh "$vmrun" -c 4 -m 1024M -t netgraph,socket=vm1,path=vmbridge:,hook=vm1link,peerhook=link1 -d freebsd-1.img freebsd-1 </dev/null >freebsd-1.log 2>&1 &

# Types a command on a machine's console; what it printed. Fails when the command does.
guest() {
  said=$($NETLOOM vm console "$1" -c "$2; echo done \$?" --until '^done \d' --timeout "$SECONDS_MAX" | tr -d '\r')
  echo "$said"
  case $said in *'done 0'*) ;; *) echo "in $1: $2 has failed" >&2; exit 1 ;; esac
}

for vm in freebsd-0 freebsd-1; do
  tries=0
  until $NETLOOM vm console $vm --until 'guest is up' --timeout "$SECONDS_MAX" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || { echo "$vm does not come up:" >&2; cat $vm.log >&2; exit 1; }
    sleep 0.2
  done
done
guest freebsd-0 'ifconfig vtnet0 192.168.1.2/24 up'
guest freebsd-1 'ifconfig vtnet0 192.168.1.3/24 up'

ping -c 2 192.168.1.2
ping -c 2 192.168.1.3
guest freebsd-0 'ping -c 2 192.168.1.1 && ping -c 2 192.168.1.3'
guest freebsd-1 'ping -c 2 192.168.1.1 && ping -c 2 192.168.1.2'
ngctl show vmbridge:

# Throughput: each machine to the host, then one machine to the other.
iperf3 -s -p 5201 >iperf3-host.log 2>&1 &
server=$!
guest freebsd-0 'iperf3 -c 192.168.1.1 -t 2'
guest freebsd-1 'iperf3 -c 192.168.1.1 -t 2 -R'
guest freebsd-0 'iperf3 -s -D'
guest freebsd-1 'iperf3 -c 192.168.1.2 -t 2'
kill $server

# The end: machines first, so that their hooks go, then the bridge with its last one.
bhyvectl --vm=freebsd-0 --destroy
bhyvectl --vm=freebsd-1 --destroy
wait
ngctl shutdown ngeth0:
echo plan done
