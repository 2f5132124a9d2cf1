#!/usr/bin/env bash
# Installs Mesa's Vulkan driver for the CPU on Debian (from backports where the release's own Mesa is
# older than 24) or Ubuntu. Needs root.
set -euo pipefail

apt-get update
from=()
if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ]; then
  # The suite comes from the mirror that the machine uses already.
  sed -n '/^URIs/{p;q}' /etc/apt/sources.list.d/debian.sources | {
    echo 'Types: deb'; cat; echo 'Suites: bookworm-backports'; echo 'Components: main'
    echo 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg'
  } > /etc/apt/sources.list.d/backports.sources
  apt-get update
  from=(-t bookworm-backports)
fi
apt-get install -y --no-install-recommends "${from[@]}" libvulkan1 mesa-vulkan-drivers
