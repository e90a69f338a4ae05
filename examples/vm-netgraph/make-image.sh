#!/bin/sh
# make-image.sh — a disk for plan.sh: a Linux that boots from it in seconds, with iperf3, a shell on the serial line, and a card called vtnet0.
#
#     sh make-image.sh freebsd-0.img
#
# Theory of operation. The kernel, two modules, busybox and iperf3 are this machine's; they become a root in memory (initramfs(7)), which syslinux
# boots from a FAT file system that mtools makes, so nothing is mounted and nobody is root.
# Needs, in Debian's words: busybox-static cpio iperf3 kmod linux-image-cloud-amd64 mtools syslinux
set -eu
[ $# -eq 1 ] || { echo "usage: make-image.sh FILE" >&2; exit 2; }
PATH=$PATH:/usr/sbin:/sbin
version=$(ls /lib/modules | sort -V | tail -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"

# Modules, those that others need first. One that is built in is none.
for module in virtio_pci virtio_net; do modprobe -S "$version" -D $module; done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
while read -r module; do
  name=$(basename "$module")
  case $name in
    *.xz) xz -dc "$module" >"$root/modules/${name%.xz}"; name=${name%.xz} ;;
    *.zst) zstd -qdc "$module" >"$root/modules/${name%.zst}"; name=${name%.zst} ;;
    *) cp "$module" "$root/modules/$name" ;;
  esac
  echo "insmod /modules/$name" >>"$work/loads"
done <"$work/modules"

# iperf3, and the libraries it needs, where it looks for them.
iperf3=$(PATH=/usr/local/bin:/usr/bin:/bin command -v iperf3)
cp "$iperf3" "$root/bin/iperf3"
for library in $(ldd "$iperf3" | grep -o '/[^ ]*'); do
  mkdir -p "$root$(dirname "$library")"
  cp "$library" "$root$library"
done

# FreeBSD's way to say it: ifconfig IF ADDRESS/LENGTH up. busybox's shell asks functions first.
cat >"$root/shellrc" <<'END'
ifconfig() {
  case ${2-} in
    */*) ip addr add "$2" dev "$1" && ip link set "$1" up ;;
    *) busybox ifconfig "$@" ;;
  esac
}
END

cat >"$root/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin ENV=/shellrc
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
$(cat "$work/loads")
ip link set lo up
ip link set eth0 name vtnet0
echo guest is up
while true; do setsid cttyhack sh; done
END
chmod 755 "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) >"$work/root.cpio"

cat >"$work/syslinux.cfg" <<END
SERIAL 0
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=root.cpio console=ttyS0 quiet panic=-1
END
rm -f "$1"
truncate -s 64M "$1"
mformat -i "$1" -F ::
mcopy -i "$1" "/boot/vmlinuz-$version" ::vmlinuz
mcopy -i "$1" "$work/root.cpio" "$work/syslinux.cfg" ::
syslinux --install "$1"
