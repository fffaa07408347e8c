# Plays a pod on a machine with cgroup v2 and an older kernel, and looks at what the kernel made of it.
set -eu
fail() { echo "FAILED: $*"; podkin ps -a || true; exit 1; }
# is FILE VALUE
is() { [ "$(cat "$1")" = "$2" ] || fail "$1 is $(cat "$1"), not $2"; }
ids() { podkin ps -a --no-trunc --format '{{.ID}}' --filter name="$1"; }

uname -r
podkin kube play pod.yaml
podkin ps

group=$(ls -d /sys/fs/cgroup/podkin/*/"$(ids limited-main)") || fail "no cgroup of the container"
is "$group/memory.max" 67108864
is "$group/cpu.max" "50000 100000"
is "$group/pids.max" 2048

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

[ "$(podkin kube get pod hungry -o 'jsonpath={.status.containerStatuses[0].state.terminated.reason}')" = OOMKilled ] ||
    fail "the kernel's count of kills is not told"

podkin logs limited-main | head -3
podkin kube play pod.yaml

# CPU and memory of a running container follow the file.
process=$(cat "$group/cgroup.procs")
sed -e 's/cpu: 500m, memory: 64Mi/cpu: 300m, memory: 96Mi/' pod.yaml >resized.yaml
podkin kube play resized.yaml
is "$group/memory.max" 100663296
is "$group/cpu.max" "30000 100000"
is "$group/cgroup.procs" "$process"
podkin kube down pod.yaml

# The pod's own limits, and what its priority weighs: 307 shares for 300m, and a tenth of that for each of seven digits.
podkin kube play groups.yaml
pod=$(ls -d /sys/fs/cgroup/podkin/*/"$(ids together-main)") || fail "no cgroup of the container"
pod=$(dirname "$pod")
is "$pod/memory.max" 50331648
is "$pod/cpu.max" "30000 100000"
is "$pod/cpu.weight" 20

# The device program: what every container has, what it was given, and nothing else.
use() { podkin exec together-main /podkin-demo write "$1" text; }
use /host-dev/null || fail "a device that all may use is refused"
use /dev/given || fail "a device that was given is refused"
if use /host-dev/ttyS0; then fail "a device of the machine can be used"; fi

# Huge pages, of which there are none until some are reserved.
pages=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
if podkin kube play huge.yaml 2>refusal; then fail "huge pages are given that are not there"; fi
grep -q 'reserved no pages of 2Mi' refusal || fail "the reason is not told: $(cat refusal)"
echo 4 >$pages
is $pages 4
podkin kube play huge.yaml
huge=$(ls -d /sys/fs/cgroup/podkin/*/"$(ids huge-main)") || fail "no cgroup of the container"
is "$huge/hugetlb.2MB.max" 4194304
podkin exec huge-main /podkin-demo mounts | grep ' /pages ' | grep -q 'hugetlbfs.*pagesize=2M' || fail "no file system of huge pages"
podkin exec huge-main /podkin-demo env PAGES | grep -q '^4$' || fail "no variable of huge pages"
podkin kube down huge.yaml

podkin exec full-main /podkin-demo write /v/one text
podkin exec full-main /podkin-demo write /v/two text
podkin kube wait --timeout=30s '--for=jsonpath={.status.reason}=Evicted' pod/full || fail "a volume beyond its limit is no reason"
podkin kube down groups.yaml
[ -z "$(podkin ps -a -q)" ] || fail "containers are left"
sleep 3
[ ! -e /sys/fs/cgroup/podkin ] || fail "cgroups are left: $(find /sys/fs/cgroup/podkin)"
! grep -q podkin /proc/mounts || fail "mounts are left: $(grep podkin /proc/mounts)"
echo "cgroup v2: all well"
