#!/bin/sh
# Builds images from a context and prints their names with digests: build.sh CONTEXT "IMAGE ..." [OPTION ...]
# The environment names BUILDER (podman, buildah or docker), VARIANT and VERSION.
set -eu
context=$1 images=$2
shift 2
for image in $images; do
  case "$image" in node) name=ra-node ;; *) name=ra-node-$image ;; esac
  # HEALTHCHECK is no part of the OCI format, which podman and buildah take by default.
  case "$BUILDER" in docker) format= ;; *) format="--format docker" ;; esac
  # shellcheck disable=SC2086 # an option and its value
  "$BUILDER" build $format --target "$image" --build-arg "VARIANT=$VARIANT" --build-arg "VERSION=$VERSION" \
    --tag "localhost/$name:$VERSION" --tag "localhost/$name:latest" "$@" "$context" >&2
  case "$BUILDER" in
    docker) digest=$(docker image inspect --format '{{.Id}}' "localhost/$name:$VERSION") ;;
    buildah) digest=$(buildah images --format '{{.Digest}}' "localhost/$name:$VERSION") ;;
    *) digest=$("$BUILDER" image inspect --format '{{.Digest}}' "localhost/$name:$VERSION") ;;
  esac
  echo "$name:$VERSION $digest $image ${VARIANT}"
done
