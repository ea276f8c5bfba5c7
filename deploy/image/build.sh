#!/bin/sh
# Builds the image with buildah: no daemon, no registry, no network.
#
#   cargo xtask bpf                                # optional: the kernel programs, embedded by the next line
#   cargo build --release --package gateway-agent
#   deploy/image/build.sh target/release/gateway-agent gateway-agent:0.1.0 [buildah global options...]
#
# The same binary gives the same image id. The C library comes from this machine, so build where the binary
# was built. Name lookup in the image knows files and DNS.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 BINARY TAG [buildah options...]" >&2; exit 2; }
binary=$1
tag=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
ca=/etc/ssl/certs/ca-certificates.crt
[ -r "$ca" ] || { echo "$0: $ca is missing: install ca-certificates" >&2; exit 1; }

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
root=$context/rootfs
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/usr/share/doc/gateway-agent" "$root/tmp" "$root/apim/config"
chmod 1777 "$root/tmp"

# Line tables stay in the build; a container carries the program alone.
strip -o "$root/usr/bin/gateway-agent" "$binary"
# Libraries under the paths by which the program looks for them; a static binary has none.
ldd "$binary" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp -L "$ca" "$root$ca"
cp "$here/../../LICENSE" "$root/usr/share/doc/gateway-agent/LICENSE"
printf 'root:x:0:0:root:/:/sbin/nologin\napim:x:1001:1001::/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\napim:x:1001:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"

buildah "$@" bud --isolation chroot --timestamp 0 --file "$here/Containerfile" --tag "$tag" "$context"
