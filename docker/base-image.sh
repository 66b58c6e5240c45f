#!/usr/bin/env bash
# Makes the image debian:bookworm-slim from Debian's archive with debootstrap, for machines that
# reach the archive and no image registry. Does nothing where the image is there or can be pulled.
set -euo pipefail
image=debian:bookworm-slim
fail() { echo "base-image.sh: $1" >&2; exit "${2:-1}"; }
docker info >/dev/null 2>&1 || fail "no Docker engine answers; start one" 3
docker image inspect "$image" >/dev/null 2>&1 && exit 0
docker pull -q "$image" >/dev/null 2>&1 && exit 0

((EUID == 0)) || fail "no registry has $image for us; run this as root: debootstrap needs it"
command -v debootstrap >/dev/null ||
  { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
echo "making $image with debootstrap; this takes some minutes" >&2
debootstrap --variant=minbase bookworm "$root" >"$root.log" 2>&1 ||
  fail "debootstrap failed: $(tail -n 1 "$root.log"); all it said is in $root.log"
rm -f "$root.log"

# As in the image of that name: no pages that nobody reads, neither now nor of later packages.
cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'EOF'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
EOF
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -type l -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
find "$root/usr/share/locale" -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +
cd "$root"
rm -rf usr/share/{man,info}/* var/cache/apt/* var/lib/apt/lists/* var/log/*
mkdir -p var/cache/apt/archives/partial var/lib/apt/lists/partial var/log/apt
tar -C "$root" -c . | docker import - "$image" >/dev/null
