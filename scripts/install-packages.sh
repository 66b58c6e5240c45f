#!/usr/bin/env bash
# Installs the Debian packages that are named and missing; says nothing when all are there.
#   install-packages.sh build          what building and running needs
#   install-packages.sh build test     … and what the tests need on top; likewise bench and fuzz
#   install-packages.sh runtime        what built programs need, and no more
#   install-packages.sh docker         an engine for docker/testbed, where there is none
set -euo pipefail
build=(g++ cmake ninja-build ccache pkg-config libasio-dev protobuf-compiler libprotobuf-dev
  libeigen3-dev libspdlog-dev libfmt-dev libtomlplusplus-dev libhwy-dev libcli11-dev zlib1g-dev
  nlohmann-json3-dev libssl-dev libxxhash-dev prometheus-cpp-dev)
test=(doctest-dev libbenchmark-dev python3-minimal libpython3-stdlib openssl prometheus systemd dpkg-dev
  chromium python3-pil fonts-dejavu-core)
bench=(libbenchmark-dev iperf3 libopenblas0-pthread python3-torch python3-numpy iproute2)
runtime=(libprotobuf32 libspdlog1.10 libfmt9 libtomlplusplus3 libhwy1 libxxhash0 zlib1g libssl3
  libprometheus-cpp-pull1.0)
docker=(docker.io docker-compose debootstrap)
fuzz=(clang-16 libclang-rt-16-dev)

wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    docker) wanted+=("${docker[@]}") ;;
    runtime) wanted+=("${runtime[@]}") ;;
    *) echo "install-packages.sh: found the group '$group', expected build, test, bench, fuzz, runtime or docker" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] ||
    missing+=("$package")
done
((${#missing[@]})) || exit 0

command -v apt-get >/dev/null || {
  echo "install-packages.sh: this system has no apt-get; install these packages by hand: ${missing[*]}" >&2
  exit 1
}
sudo=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || {
    echo "install-packages.sh: ${#missing[@]} packages are missing (${missing[*]}); run this as root, or install sudo" >&2
    exit 1
  }
  sudo=(sudo)
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
# Of Prometheus the tests start their own: no server shall run by itself, neither now nor at a reboot.
if [[ " ${missing[*]} " == *" prometheus "* ]]; then
  "${sudo[@]}" mkdir -p /etc/systemd/system
  "${sudo[@]}" ln -sfn /dev/null /etc/systemd/system/prometheus.service
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get -o Acquire::Retries=3 update -qq
"${sudo[@]}" apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
