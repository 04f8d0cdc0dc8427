#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the initramfs of the virtual machine: busybox, the drivers for its root, and the init that
# mounts it.
#
# Usage: tools/initramfs.sh NAME      prints the path of the archive for that kernel
#
# The archive is kept beside the kernel and rebuilt when what goes in has changed. vm.sh appends a
# second archive with the files of one run (/kq).
set -euo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# Root file system (virtiofs below an overlay) and the ports that carry the output.
drivers=(virtio_pci virtiofs overlay virtio_console)
# The programs initramfs-init uses.
applets=(cp hostname insmod ip ln mkdir mkfifo mount sh switch_root uname)

kernel=$("$tools/kernel.sh" "$1" fetch)
release=$(<"$kernel/version")
busybox=$(command -v busybox)

hash=$(cat "$0" "$tools/initramfs-init" "$busybox" | sha256sum | cut -c 1-12)
archive=$kernel/initramfs-$hash.cpio
if [ -e "$archive" ]; then
	echo "$archive"
	exit 0
fi

work=$(mktemp -d "$kernel/.initramfs.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,lib,proc,sys,dev,kq,host,layer,newroot}
cp "$busybox" "$root/bin/busybox"
for applet in "${applets[@]}"; do
	ln -s busybox "$root/bin/$applet"
done
install -m 755 "$tools/initramfs-init" "$root/init"

# modprobe knows the load order, and which drivers this kernel has built in.
for driver in "${drivers[@]}"; do
	modprobe -d "$kernel" -S "$release" --show-depends "$driver"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/list"
index=10
while read -r module; do
	file=$root/lib/$index-$(basename "$module")
	cp "$module" "$file"
	# Not every kernel can unpack modules on its own.
	case $file in
	*.xz) xz -d "$file" ;;
	*.zst) zstd -q -d --rm "$file" ;;
	esac
	index=$((index + 1))
done <"$work/list"

(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc -R 0:0) >"$work/archive"
find "$kernel" -name "initramfs-*.cpio" -mmin +1440 -delete
mv "$work/archive" "$archive"
echo "$archive"
