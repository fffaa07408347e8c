# Plays a pod on a machine with cgroup v2 and an older kernel, and looks at what the kernel made of it.
set -eu
fail() { echo "FAILED: $*"; podkin ps -a || true; exit 1; }
ids() { podkin ps -a --no-trunc --format '{{.ID}}' --filter name="$1"; }

uname -r
podkin kube play pod.yaml
podkin ps

group=$(ls -d /sys/fs/cgroup/podkin/*/"$(ids limited-main)") || fail "no cgroup of the container"
[ "$(cat "$group/memory.max")" = 67108864 ] || fail "memory.max is $(cat "$group/memory.max")"
[ "$(cat "$group/cpu.max")" = "50000 100000" ] || fail "cpu.max is $(cat "$group/cpu.max")"
[ "$(cat "$group/pids.max")" = 2048 ] || fail "pids.max is $(cat "$group/pids.max")"

podkin exec limited-main /podkin-demo cat /proc/self/cgroup | grep -q '^0::/$' || fail "exec is not in the container's cgroup"
podkin exec limited-main /podkin-demo cat /proc/self/status | grep -q '^Seccomp:.*2' || fail "exec has no seccomp filter"
if podkin exec limited-main /podkin-demo write /sys/fs/cgroup/memory.max max; then fail "the cgroup can be written from inside"; fi

i=0
until wget -q -O - http://127.0.0.1:18080/healthz | grep -q .; do
    i=$((i + 1)); [ $i -lt 50 ] || fail "the published port does not answer"
    sleep 0.2
done

i=0
until [ "$(podkin inspect hungry-main --format '{{.State.OOMKilled}}')" = true ]; do
    i=$((i + 1)); [ $i -lt 100 ] || fail "a container beyond its memory limit lives"
    sleep 0.2
done

podkin logs limited-main | head -3
podkin kube play pod.yaml
podkin kube down pod.yaml
[ -z "$(podkin ps -a -q)" ] || fail "containers are left"
sleep 3
[ ! -e /sys/fs/cgroup/podkin ] || fail "cgroups are left: $(find /sys/fs/cgroup/podkin)"
! grep -q podkin /proc/mounts || fail "mounts are left: $(grep podkin /proc/mounts)"
echo "cgroup v2: all well"
